import { pino } from 'pino';
import { expect } from 'vitest';
import { placeOn, type SourcePlace } from '../../../src/copying/replication/source-place.ts';
import { PostgresServer } from '../../../src/postgres/server.ts';
import { startTestPostgres, type TestPostgres } from '../../support/start-postgres.ts';

/** Settings of a server from which places can be moved online. */
export const logical = { wal_level: 'logical', max_wal_senders: '10', max_replication_slots: '10' };

/** Two schemas with the same tables on two servers. */
export interface TwoPlaces extends AsyncDisposable {
  readonly source: TestPostgres;
  readonly target: TestPostgres;
  readonly from: SourcePlace;
  readonly to: SourcePlace;
  /** The rows of a table in both schemas, as texts in order. */
  expectSame(): Promise<void>;
}

/** Starts two servers and creates tables in the schema `tenant_source` of the first and in `tenant_target` of the second. */
export async function startTwoPlaces(tablesSql: string, settings: Record<string, string> = {}): Promise<TwoPlaces> {
  const [source, target] = await Promise.all([startTestPostgres({ ...logical, ...settings }), startTestPostgres()]);
  await Promise.all([
    source.rows(`CREATE DATABASE app`).then(() => make(source, 'tenant_source', tablesSql)),
    target.rows(`CREATE DATABASE app`).then(() => make(target, 'tenant_target', tablesSql)),
  ]);
  const servers = [source, target].map(({ address }, index) => openServer(`server${index}`, address));
  const [one, two] = servers;
  if (!one || !two) throw new Error('There are two');
  return {
    source,
    target,
    from: placeOn(one, { database: 'app', schema: 'tenant_source' }),
    to: placeOn(two, { database: 'app', schema: 'tenant_target' }),
    async expectSame() {
      const there = await readAll(target, 'tenant_target');
      const here = await readAll(source, 'tenant_source');
      expect([...there.keys()].filter((table) => table.startsWith('tenantry_'))).toEqual([]);
      expect(there).toEqual(here);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
      await Promise.all([source[Symbol.asyncDispose](), target[Symbol.asyncDispose]()]);
    },
  };
}

function openServer(name: string, address: TestPostgres['address']): PostgresServer {
  return new PostgresServer(name, address, {
    max: 20,
    reserved: 1,
    waitMs: 10_000,
    recycleMs: 3_600_000,
    idleMs: 60_000,
    systemPoolSize: 2,
    log: pino({ level: 'silent' }),
  });
}

async function make(postgres: TestPostgres, schema: string, tablesSql: string): Promise<void> {
  await postgres.rows(`CREATE SCHEMA ${schema}; SET search_path = ${schema}; ${tablesSql}`, [], 'app');
}

/** The rows of each table, and the value of each sequence. */
async function readAll(postgres: TestPostgres, schema: string): Promise<ReadonlyMap<string, unknown>> {
  const client = await postgres.connect('app');
  try {
    await client.query(`SET search_path = ${schema}`);
    const { rows } = await client.query<{ name: string; kind: string }>(
      `SELECT relname AS name, relkind AS kind FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'S') ORDER BY 1`,
      [schema],
    );
    const all = new Map<string, unknown>();
    for (const { name, kind } of rows) {
      const columns = kind === 'S' ? 'last_value, is_called' : 't::text AS row';
      const found = await client.query(`SELECT ${columns} FROM ONLY "${name}" t ORDER BY 1`);
      all.set(name, found.rows);
    }
    return all;
  } finally {
    await client.end();
  }
}
