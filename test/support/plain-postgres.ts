import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { appendFile, chmod, chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { accountFor, type Binaries, locateBinaries, SHARED_DIR } from '../../src/postgres/embedded/binaries.ts';
import { freePort } from '../../src/postgres/embedded/launch.ts';
import { type Account, POSTGRES_ENV, run } from '../../src/postgres/embedded/processes.ts';
import { eventually } from './eventually.ts';

/** Where a {@link PlainPostgres} stands. */
export interface PostgresPlace {
  /** The address it listens on. */
  readonly host: string;
  readonly port: number;
  /** What comes before the command that starts it, such as `ip netns exec name`. */
  readonly before?: readonly string[];
  /** Settings of its own. */
  readonly settings?: Readonly<Record<string, string>>;
}

const USER = 'postgres';
const PASSWORD = 'plain';
/** Who may connect, besides this machine: tests' own networks. */
const networks = ['10.0.0.0/8'];

const settingsOfAll = {
  wal_level: 'logical',
  wal_keep_size: '512MB',
  shared_buffers: '32MB',
  // What a killed process has written stays; only a machine without power would lose it.
  fsync: 'off',
  max_connections: '100',
  // It is in the data folder then, and goes with it when the server is killed.
  dynamic_shared_memory_type: 'mmap',
};

/**
 * A PostgreSQL that is started with its own programs alone, Debian's where they are installed and the embedded ones elsewhere. Unlike
 * the one of `start-postgres.ts` it may stand in a network namespace, have a replica, and be killed.
 */
export class PlainPostgres implements AsyncDisposable {
  readonly place: PostgresPlace;
  readonly #folder: string;
  readonly #bin: string;
  readonly #account: Account;
  #process: ChildProcess | undefined;

  private constructor(place: PostgresPlace, folder: string, bin: string, account: Account) {
    this.place = place;
    this.#folder = folder;
    this.#bin = bin;
    this.#account = account;
  }

  /** Starts one with nothing in it. */
  static async start(place?: Partial<PostgresPlace>): Promise<PlainPostgres> {
    const server = await PlainPostgres.#prepare(place);
    const passwordFile = path.join(server.#folder, 'password');
    await writeFile(passwordFile, PASSWORD, { mode: 0o644 });
    const auth = ['--auth-host=scram-sha-256', '--auth-local=trust', `--pwfile=${passwordFile}`];
    await server.#run('initdb', [
      '-D',
      server.#data,
      '-U',
      USER,
      '--no-sync',
      '--encoding=UTF8',
      '--locale=C',
      ...auth,
    ]);
    const rules = networks.map((network) => `host all,replication all ${network} scram-sha-256\n`);
    await appendFile(path.join(server.#data, 'pg_hba.conf'), rules.join(''));
    await server.#launch();
    return server;
  }

  /** Starts a replica that follows this one, and makes every commit wait for it. */
  async startReplica(place?: Partial<PostgresPlace>): Promise<PlainPostgres> {
    const replica = await PlainPostgres.#prepare(place);
    await using session = await this.#connect();
    await session.client.query(`SELECT pg_backup_start('replica', true)`);
    await promisify(execFile)('cp', ['-a', this.#data, replica.#data]);
    const { rows } = await session.client.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop(false)');
    for (const name of ['postmaster.pid', 'postmaster.opts']) await rm(path.join(replica.#data, name), { force: true });
    await rm(path.join(replica.#data, 'pg_wal'), { recursive: true });
    await promisify(execFile)('mkdir', ['-p', path.join(replica.#data, 'pg_wal', 'archive_status')]);
    const { host, port } = this.place;
    const source = `host=${host} port=${port} user=${USER} password=${PASSWORD} application_name=replica`;
    await writeFile(path.join(replica.#data, 'backup_label'), rows[0]?.labelfile ?? '');
    await writeFile(path.join(replica.#data, 'standby.signal'), '');
    await appendFile(path.join(replica.#data, 'postgresql.auto.conf'), `primary_conninfo = '${source}'\n`);
    if (replica.#account) await promisify(execFile)('chown', ['-R', String(replica.#account.uid), replica.#data]);
    await replica.#launch();
    await this.rows('ALTER SYSTEM SET synchronous_standby_names = replica');
    await this.rows('SELECT pg_reload_conf()');
    await eventually('the replica is synchronous', async () => {
      const [row] = await this.rows<{ sync_state: string }>('SELECT sync_state FROM pg_stat_replication');
      return row?.sync_state === 'sync';
    });
    return replica;
  }

  static async #prepare(place: Partial<PostgresPlace> = {}): Promise<PlainPostgres> {
    const { host = '127.0.0.1', port = await freePort() } = place;
    const account = await accountFor(undefined, () => undefined);
    const bin = debianPrograms() ?? path.dirname((await embeddedPrograms(account)).postgres);
    const folder = await mkdtemp(path.join(tmpdir(), 'tenantry-plain-'));
    await chmod(folder, 0o755);
    if (account) await chown(folder, account.uid, account.gid);
    return new PlainPostgres({ ...place, host, port }, folder, bin, account);
  }

  /** The part of its URL that says where it is. */
  get at(): string {
    return `${this.place.host}:${this.place.port}`;
  }

  /** Its URL over a socket. */
  get socketUrl(): string {
    return `postgres://${USER}:${PASSWORD}@:${this.place.port}/postgres?host=${encodeURIComponent(this.#folder)}`;
  }

  /** The URL of a server that is at several places, the first of which is this one. */
  urlWith(...others: readonly PlainPostgres[]): string {
    return `postgres://${USER}:${PASSWORD}@${[this, ...others].map(({ at }) => at).join(',')}/postgres?connect_timeout=5`;
  }

  /** Asks as the superuser, over a socket that is in no network. */
  async rows<Row extends pg.QueryResultRow>(sql: string, values: unknown[] = [], database = 'postgres') {
    await using session = await this.#connect(database);
    return (await session.client.query<Row>(sql, values)).rows;
  }

  /** Makes a replica the primary. */
  async promote(): Promise<void> {
    await this.#run('pg_ctl', ['promote', '-w', '-D', this.#data]);
  }

  /** Kills it, as a machine without power does. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (!child) return;
    this.#process = undefined;
    const segment = (await readFile(path.join(this.#data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')[6];
    const ended = once(child, 'exit');
    if (child.exitCode === null && child.kill('SIGKILL')) await ended;
    const id = segment?.trim().split(/\s+/).at(-1);
    // Nobody else would remove its piece of shared memory. It stays while its last processes end.
    if (id) await eventually('its memory is free', async () => (await run('ipcrm', ['-m', id])).output.length >= 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }

  get #data(): string {
    return path.join(this.#folder, 'data');
  }

  async #connect(database = 'postgres'): Promise<AsyncDisposable & { readonly client: pg.Client }> {
    const client = new pg.Client({ host: this.#folder, port: this.place.port, user: USER, database });
    await client.connect();
    return { client, [Symbol.asyncDispose]: () => client.end() };
  }

  async #run(program: string, args: readonly string[]): Promise<void> {
    const { ok, output } = await run(path.join(this.#bin, program), args, this.#account);
    if (!ok) throw new Error(`${program}: ${output}`);
  }

  async #launch(): Promise<void> {
    const { host, port, before = [], settings } = this.place;
    const all = {
      ...settingsOfAll,
      ...settings,
      listen_addresses: host,
      port: String(port),
      unix_socket_directories: this.#folder,
    };
    const flags = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const { uid, gid } = this.#account ?? {};
    // It must be root who enters a namespace, and PostgreSQL does not run as root.
    const asAccount = uid === undefined ? [] : ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
    const command = [...before, ...asAccount, path.join(this.#bin, 'postgres'), '-D', this.#data, ...flags];
    const child = spawn(command[0] ?? '', command.slice(1), {
      cwd: '/',
      env: POSTGRES_ENV,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#process = child;
    let log = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-4_000);
    });
    await eventually(
      () => `PostgreSQL starts: ${log}`,
      () =>
        this.rows('SELECT').then(
          () => true,
          () => false,
        ),
    );
  }
}

/** The folder of Debian's newest programs that Tenantry supports. */
function debianPrograms(): string | undefined {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).map(Number) : [];
  const newest = versions.filter((version) => version >= 15).toSorted((a, b) => b - a)[0];
  const bin = path.join(root, String(newest), 'bin');
  return existsSync(path.join(bin, 'postgres')) ? bin : undefined;
}

function embeddedPrograms(account: Account): Promise<Binaries> {
  return locateBinaries(account, SHARED_DIR, () => undefined);
}
