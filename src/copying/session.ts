import type pg from 'pg';
import { searchPathOf } from '../migrator/files/common-schema.ts';
import { sameEverywhere } from '../postgres/session-settings.ts';
import { quoteLiteral } from '../postgres/sql/quote.ts';
import type { CopyPlace } from './place.ts';

/** How long to wait for a table that somebody else has locked, in milliseconds. */
const LOCKED_MS = 60_000;

/**
 * The settings with which both sides write and read the same text, and with which nothing is left out or cut short.
 * `row_security = off` makes a query fail that row security would filter.
 */
const settings: Readonly<Record<string, string>> = {
  ...sameEverywhere,
  client_encoding: 'UTF8',
  extra_float_digits: '1',
  bytea_output: 'hex',
  xmloption: 'content',
  lc_monetary: 'C',
  row_security: 'off',
  statement_timeout: '0',
  lock_timeout: `${LOCKED_MS}`,
  idle_in_transaction_session_timeout: '0',
  // Only PostgreSQL 17 and newer have it.
  transaction_timeout: '0',
};

/** A connection to the database of a schema. */
export interface SchemaSession {
  readonly place: Pick<CopyPlace, 'database' | 'schema'>;
  readonly client: pg.Client;
}

/** One side of a copy, with a connection that is used for everything but what runs at the same time. */
export interface CopySide {
  readonly place: CopyPlace;
  readonly client: pg.Client;
}

/** Gives a session the settings of a copy. */
export async function prepareSession(client: pg.Client, schema: string): Promise<void> {
  const values = Object.entries({ ...settings, search_path: searchPathOf(schema) })
    .map(([name, value]) => `(${quoteLiteral(name)}, ${quoteLiteral(value)})`)
    .join(', ');
  await client.query(
    `SELECT set_config(known.name, value, false) FROM (VALUES ${values}) wanted (name, value)
     JOIN pg_settings known ON lower(known.name) = lower(wanted.name)`,
  );
}

/** Runs `work` with a connection that has the settings of a copy. */
export function inSession<T>(
  place: CopyPlace,
  work: (client: pg.Client) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  return place.use(async (client) => {
    await prepareSession(client, place.schema);
    const result = await work(client);
    await client.query('RESET ALL');
    return result;
  }, signal);
}

/** SQL that begins a transaction that sees what a snapshot sees. */
export function beginInSnapshotSql(snapshot: string): string {
  return `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT ${quoteLiteral(snapshot)}`;
}

/**
 * Runs `work` with an exported snapshot, which stays valid meanwhile. The transaction that exports it locks no table.
 * @param given a snapshot that somebody else has exported
 * @see https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-SNAPSHOT-SYNCHRONIZATION
 */
export function withSnapshot<T>(
  place: CopyPlace,
  given: string | undefined,
  work: (snapshot: string) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  return inSession(
    place,
    async (client) => {
      await client.query(given === undefined ? beginSql : beginInSnapshotSql(given));
      const { rows } = await client.query<{ snapshot: string }>('SELECT pg_export_snapshot() AS snapshot');
      const result = await work(rows[0]?.snapshot ?? '');
      await client.query('COMMIT');
      return result;
    },
    signal,
  );
}

const beginSql = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';
