import type pg from 'pg';
import { AppError } from '../lib/errors.ts';
import { constraintOf, sqlState, sqlStateOf } from '../postgres/sql/error-codes.ts';
import { FIRST_SERVER } from './entities/database-server.entity.ts';

/** A server in the catalog. */
export interface ServerRow {
  readonly name: string;
  /** Encrypted; null for the first server. */
  readonly url: string | null;
  readonly acceptsTenants: boolean;
  /** Null: the budget of the settings. */
  readonly connectionBudget: number | null;
}

/** A server to add to the catalog. */
export interface NewServerRow {
  readonly name: string;
  /** Encrypted. */
  readonly url: string;
  /** PostgreSQL's system identifier. */
  readonly systemIdentifier: string;
}

/** Reads all servers, in the order in which they were added. */
export async function readServerRows(client: pg.Client): Promise<readonly ServerRow[]> {
  const { rows } = await client.query<ServerRow>(
    `SELECT name, url, accepts_tenants AS "acceptsTenants", connection_budget AS "connectionBudget"
     FROM servers ORDER BY created_at, name`,
  );
  return rows;
}

/** Counts the tenants of every status on each server that has any. */
export async function countTenants(client: pg.Client): Promise<ReadonlyMap<string, number>> {
  const { rows } = await client.query<{ server: string; count: number }>(
    'SELECT server, count(*)::int AS count FROM tenants GROUP BY server',
  );
  return new Map(rows.map(({ server, count }) => [server, count]));
}

/**
 * Adds a server, or updates its URL if it is the same PostgreSQL.
 * @returns whether it was added
 * @throws {AppError} CONFLICT if another PostgreSQL has the name, or this PostgreSQL has another name
 */
export async function saveServerRow(
  client: pg.Client,
  { name, url, systemIdentifier }: NewServerRow,
): Promise<boolean> {
  try {
    const { rows } = await client.query<{ added: boolean }>(
      // An inserted row has no xmax. An updated row has this transaction's id there.
      `INSERT INTO servers (name, url, system_identifier) VALUES ($1, $2, $3)
       ON CONFLICT (name) DO UPDATE SET url = excluded.url WHERE servers.system_identifier = excluded.system_identifier
       RETURNING xmax = 0 AS added`,
      [name, url, systemIdentifier],
    );
    const [row] = rows;
    if (!row)
      throw new AppError('CONFLICT', `The name ${name} belongs to another PostgreSQL server. Choose another name.`);
    return row.added;
  } catch (error) {
    if (constraintOf(error) !== 'servers_system_identifier_key') throw error;
    throw new AppError('CONFLICT', 'This PostgreSQL is already a server under another name', { cause: error });
  }
}

/**
 * Removes a server without tenants from the catalog.
 * @throws {AppError} NOT_FOUND, or CONFLICT if it has tenants or checkpoints or is the first server
 */
export async function deleteServerRow(client: pg.Client, name: string): Promise<void> {
  if (name === FIRST_SERVER) {
    throw new AppError('CONFLICT', `The server ${name} comes from the settings and cannot be removed`);
  }
  try {
    const { rowCount } = await client.query('DELETE FROM servers WHERE name = $1', [name]);
    if (rowCount === 0) throw new AppError('NOT_FOUND', `There is no server ${name}`);
  } catch (error) {
    if (sqlStateOf(error) !== sqlState.foreignKeyViolation) throw error;
    const count = (await countTenants(client)).get(name) ?? 0;
    if (count === 0) {
      throw new AppError('CONFLICT', `The server ${name} has checkpoints. Delete them before you remove it.`, {
        cause: error,
      });
    }
    const tenants = count === 1 ? '1 tenant' : `${count} tenants`;
    throw new AppError('CONFLICT', `The server ${name} has ${tenants}, so it cannot be removed`, {
      cause: error,
      details: { tenantCount: count },
    });
  }
}
