import { randomBytes, randomUUID } from 'node:crypto';
import { access, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { accountFor } from '../../src/postgres/embedded/binaries.ts';
import { existingCluster, readState, SUPERUSER, writeState } from '../../src/postgres/embedded/cluster.ts';
import { freePort, HOST, launch } from '../../src/postgres/embedded/launch.ts';
import { type Account, clearRemains, ownProcess, run, terminate } from '../../src/postgres/embedded/processes.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/postgres/embedded/start.ts';
import { quoteIdentifier, quoteLiteral } from '../../src/postgres/sql/quote.ts';
import { testSettings } from './postgres-settings.ts';

/** The folder of the programs of another PostgreSQL than the embedded one, such as Debian's. */
const programs = process.env.TEST_POSTGRES_BIN;

/** Whether installations connect as a role there that is not a superuser, as with many providers. */
export const isLimited = programs !== undefined && process.env.TEST_POSTGRES_ROLE === 'limited';

/** The superuser of tests' clusters. Installations that have no DATABASE_URL connect as {@link SUPERUSER}, whatever that role may do. */
export const superuser = isLimited ? 'postgres' : SUPERUSER;

/**
 * What other people's servers have and the embedded one does not. Everything else is as the programs have it: JIT, 100 connections,
 * WAL for replicas, autovacuum.
 */
const foreignSettings = {
  fsync: 'off',
  full_page_writes: 'off',
  max_connections: '100',
  wal_level: 'replica',
  timezone: 'America/St_Johns',
  datestyle: 'SQL, DMY',
  intervalstyle: 'sql_standard',
};

/** Sorts `ä` after `z`, and small letters before capital ones. */
const foreignLocale = ['--locale=C.UTF-8', '--locale-provider=icu', '--icu-locale=sv-SE'];

/**
 * Starts the PostgreSQL of a folder, which an installation with this folder joins: the embedded one with {@link testSettings}, or
 * that of TEST_POSTGRES_BIN with its own settings.
 */
export async function startCluster(dataDir: string, settings: Record<string, string> = {}): Promise<EmbeddedPostgres> {
  if (programs === undefined) return startEmbeddedPostgres({ dataDir, settings: { ...testSettings, ...settings } });
  const log = () => undefined;
  const account = await accountFor(undefined, log);
  const found = await readState(dataDir);
  const starter = { ...(await ownProcess()), token: randomUUID() };
  const password = found?.password ?? randomBytes(24).toString('base64url');
  const state = { port: await freePort(found?.port), password, starter };
  const existing = await existingCluster(dataDir);
  const cluster = existing ?? path.join(dataDir, 'postgres');
  if (!existing) await initialise(cluster, account, password);
  await clearRemains(cluster, log);
  const binaries = { postgres: path.join(programs, 'postgres'), initdb: path.join(programs, 'initdb'), major: '' };
  const job = { dataDir, settings: { ...foreignSettings, ...settings }, log, signal: undefined };
  const server = await launch(job, cluster, binaries, account, state);
  if (!existing && isLimited) await createLimitedRole(server.port, password);
  const stop = async () => {
    await terminate(server, log);
    await writeState(dataDir, { port: server.port, password, starter: null }, account);
  };
  return { host: HOST, port: server.port, user: SUPERUSER, password, owned: true, stop, [Symbol.asyncDispose]: stop };
}

async function initialise(cluster: string, account: Account, password: string): Promise<void> {
  const initdb = path.join(programs ?? '', 'initdb');
  await access(initdb).catch(() => {
    throw new Error(`There is no ${initdb}. TEST_POSTGRES_BIN must be the folder of PostgreSQL's programs.`);
  });
  const folder = await mkdtemp(path.join(tmpdir(), 'tenantry-initdb-'));
  try {
    const passwordFile = path.join(folder, 'password');
    await writeFile(passwordFile, password);
    await mkdir(cluster);
    if (account) for (const each of [folder, passwordFile, cluster]) await chown(each, account.uid, account.gid);
    const auth = ['--auth-host=scram-sha-256', '--auth-local=scram-sha-256', `--pwfile=${passwordFile}`];
    const args = ['-D', cluster, '-U', superuser, '--encoding=UTF8', ...foreignLocale, ...auth, '--no-sync'];
    const { ok, output } = await run(initdb, args, account);
    if (!ok) throw new Error(`${initdb} failed: ${output}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function createLimitedRole(port: number, password: string): Promise<void> {
  const client = new pg.Client({ host: HOST, port, user: superuser, password, database: 'postgres' });
  await client.connect();
  try {
    await client.query(
      `CREATE ROLE ${quoteIdentifier(SUPERUSER)} LOGIN CREATEDB CREATEROLE PASSWORD ${quoteLiteral(password)}`,
    );
  } finally {
    await client.end();
  }
}
