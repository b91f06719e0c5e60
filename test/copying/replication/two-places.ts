import { pino } from 'pino';
import { expect } from 'vitest';
import type { SourcePlace } from '../../../src/copying/place.ts';
import { placeOn } from '../../../src/copying/place-on.ts';
import { Follower } from '../../../src/copying/replication/follower.ts';
import { hasOnlineCopy, startOnlineCopy } from '../../../src/copying/replication/online-copy.ts';
import { slotName } from '../../../src/copying/replication/slot.ts';
import { PostgresServer } from '../../../src/postgres/server.ts';
import { startTestPostgres, type TestPostgres } from '../../support/start-postgres.ts';

/** Settings of a server from which places can be moved online. */
export const logical = { wal_level: 'logical', max_wal_senders: '10', max_replication_slots: '10' };

export const slot = slotName('11111111-2222-3333-4444-555555555555');
const maxKeptBytes = 1e9;

/** A follower that runs. */
export interface Following {
  readonly follower: Follower;
  /** Has no unhandled rejection. */
  readonly running: Promise<void>;
}

/** Copies a place online and follows its changes. */
export async function follow({ from, to }: TwoPlaces, signal: AbortSignal): Promise<Following> {
  await startOnlineCopy({ slot, from, to, parallel: 2, maxKeptBytes, signal });
  const follower = new Follower({ slot, from, to, maxKeptBytes });
  const running = follower.run(signal);
  running.catch(() => undefined);
  return { follower, running };
}

/** Two schemas with the same tables on two servers. */
export interface TwoPlaces extends AsyncDisposable {
  readonly source: TestPostgres;
  readonly target: TestPostgres;
  readonly from: SourcePlace;
  readonly to: SourcePlace;
  /** Runs SQL in the source's schema, or in the target's. */
  sql(text: string, where?: 'source' | 'target'): Promise<Record<string, unknown>[]>;
  /** Makes the target again, with no rows, unless it has a complete copy. */
  renewTarget(): Promise<void>;
  /** Checks that both have the same rows and sequences, and that nothing of a move is left. */
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
  const from = placeOn(one, { database: 'app', schema: 'tenant_source' });
  const to = placeOn(two, { database: 'app', schema: 'tenant_target' });
  return {
    source,
    target,
    from,
    to,
    async renewTarget() {
      if (await hasOnlineCopy({ slot, from, to, signal: new AbortController().signal })) return;
      await target.rows('DROP SCHEMA IF EXISTS tenant_target CASCADE', [], 'app');
      await make(target, 'tenant_target', tablesSql);
    },
    sql: (text, where = 'source') =>
      (where === 'source' ? source : target).rows(`SET search_path = tenant_${where}; ${text}`, [], 'app'),
    async expectSame() {
      expect(await source.rows('SELECT slot_name FROM pg_replication_slots')).toEqual([]);
      expect(await source.rows('SELECT pubname FROM pg_publication', [], 'app')).toEqual([]);
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
