import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { freePort } from '../../src/postgres/embedded/launch.ts';
import { eventually } from './eventually.ts';
import type { TestPostgres } from './start-postgres.ts';

// Debian installs it where only root's PATH leads.
const program =
  ['pgbouncer', '/usr/sbin/pgbouncer'].find((name) => spawnSync(name, ['--version']).status === 0) ?? 'pgbouncer';

/** Whether PgBouncer's tests run. With REQUIRE_PGBOUNCER, as in .ci/run, they fail without it. */
export const hasPgBouncer =
  process.env.REQUIRE_PGBOUNCER !== undefined || spawnSync(program, ['--version']).status === 0;

/** Whether it can read the passwords of all tenants from one database, with `auth_dbname`; Debian 12 has an older version. */
export const hasAuthDatabase = hasPgBouncer && minorVersion() >= 19;

/** Says in the report of a test run why its tests are skipped. */
export const whyNoPgBouncer = hasPgBouncer ? '' : ' (skipped: PgBouncer is not installed; apt-get install pgbouncer)';

/** A PgBouncer in front of a PostgreSQL server. */
export interface PgBouncer extends AsyncDisposable {
  readonly port: number;
  /** For DATABASE_POOLER_URL; also a URL as which an operator may take it for PostgreSQL. */
  readonly url: string;
  /** Asks its console, such as `SHOW SERVERS`. */
  console(command: string): Promise<Record<string, unknown>[]>;
  /** Ends it, as an operator does. */
  stop(): Promise<void>;
  /** Starts it again, at the same port. */
  start(): Promise<void>;
}

/** What a test may want otherwise. */
export interface PgBouncerOptions {
  readonly settings?: Readonly<Record<string, string>>;
  /** More parameters of all databases, such as `user=postgres`. */
  readonly database?: string;
  /** More entries of its `auth_file`: the passwords of roles. */
  readonly users?: Readonly<Record<string, string>>;
  /** Whether clients must use TLS. Its certificate is signed by nobody else. */
  readonly tls?: boolean;
}

/** Starts PgBouncer in transaction mode. It reads passwords with `auth_query` as the superuser. */
export async function startPgBouncer(
  postgres: Pick<TestPostgres, 'address'>,
  options: PgBouncerOptions = {},
): Promise<PgBouncer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tenantry-pgbouncer-'));
  const port = await freePort();
  const { host, user, password } = postgres.address;
  const certified = options.tls ? makeCertificate(folder) : {};
  const file = path.join(folder, 'pgbouncer.ini');
  const users = Object.entries({ [user]: password, ...options.users });
  await writeFile(path.join(folder, 'users.txt'), users.map(([name, its]) => `"${name}" "${its}"\n`).join(''));
  await writeFile(
    file,
    configuration(postgres, folder, port, { ...options, settings: { ...certified, ...options.settings } }),
  );
  // As root it becomes another user, because it refuses to run as root.
  await chmod(folder, 0o755);
  let running: ChildProcess | undefined;
  const ssl = options.tls === true && { rejectUnauthorized: false };
  const connection = { host, port, user, password, database: 'pgbouncer', ssl };
  const ask = async (command: string) => {
    const client = new pg.Client(connection);
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(command)).rows;
    } finally {
      await client.end();
    }
  };
  const start = async () => {
    const asUser = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
    running = spawn(program, [...asUser, file], { stdio: process.env.TEST_LOG ? 'inherit' : 'ignore' });
    await eventually('PgBouncer answers', () => ask('SHOW VERSION').catch(() => undefined));
  };
  const stop = async () => {
    const ending = running;
    running = undefined;
    if (!ending || ending.exitCode !== null) return;
    const ended = new Promise((resolve) => ending.once('exit', resolve));
    ending.kill('SIGQUIT');
    await ended;
  };
  await start();
  return {
    port,
    url: `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/postgres`,
    console: ask,
    start,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function minorVersion(): number {
  const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  return Number(/PgBouncer 1\.(\d+)/.exec(stdout)?.[1]);
}

function makeCertificate(folder: string): Readonly<Record<string, string>> {
  const [key, certificate] = ['key.pem', 'certificate.pem'].map((name) => path.join(folder, name));
  if (!key || !certificate) throw new Error('a file is missing');
  const how = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=127.0.0.1'];
  execFileSync('openssl', [...how, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
  chmodSync(key, 0o644);
  return { client_tls_sslmode: 'require', client_tls_key_file: key, client_tls_cert_file: certificate };
}

function configuration(
  { address }: Pick<TestPostgres, 'address'>,
  folder: string,
  port: number,
  { settings = {}, database = '' }: PgBouncerOptions,
): string {
  const all = {
    listen_addr: address.host,
    listen_port: String(port),
    unix_socket_dir: '',
    auth_type: 'scram-sha-256',
    auth_file: path.join(folder, 'users.txt'),
    auth_user: address.user,
    auth_query: 'SELECT rolname, rolpassword FROM pg_catalog.pg_authid WHERE rolname = $1 AND rolcanlogin',
    admin_users: address.user,
    pool_mode: 'transaction',
    max_client_conn: '500',
    default_pool_size: '3',
    server_login_retry: '0.2',
    ...settings,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}`);
  return `[databases]\n* = host=${address.host} port=${address.port} ${database}\n[pgbouncer]\n${lines.join('\n')}\n`;
}
