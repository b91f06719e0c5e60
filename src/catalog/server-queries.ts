import type pg from 'pg';
import { AppError } from '../lib/errors.ts';
import { constraintOf, sqlState, sqlStateOf } from '../postgres/sql/error-codes.ts';
import { FIRST_SERVER } from './entities/database-server.entity.ts';

/** A server as the catalog knows it. */
export interface ServerRow {
  readonly name: string;
  /** Sealed; null for the first server. */
  readonly url: string | null;
  readonly acceptsTenants: boolean;
  /** Null: the budget of the settings. */
  readonly connectionBudget: number | null;
}

/** A server that is to be known. */
export interface NewServerRow {
  readonly name: string;
  /** Sealed. */
  readonly url: string;
  /** What PostgreSQL calls itself. */
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

/** Counts the tenants on each server that has any, whatever their status. */
export async function countTenants(client: pg.Client): Promise<ReadonlyMap<string, number>> {
  const { rows } = await client.query<{ server: string; count: number }>(
    'SELECT server, count(*)::int AS count FROM tenants GROUP BY server',
  );
  return new Map(rows.map(({ server, count }) => [server, count]));
}

/**
 * Adds a server, or gives the one of this name another URL if it is the same PostgreSQL.
 * @returns whether it was added
 * @throws {AppError} CONFLICT if the name is another PostgreSQL's, or the PostgreSQL has another name already
 */
export async function saveServerRow(
  client: pg.Client,
  { name, url, systemIdentifier }: NewServerRow,
): Promise<boolean> {
  try {
    const { rows } = await client.query<{ added: boolean }>(
      // A row that was inserted has no xmax; one that was updated has the number of this transaction there.
      `INSERT INTO servers (name, url, system_identifier) VALUES ($1, $2, $3)
       ON CONFLICT (name) DO UPDATE SET url = excluded.url WHERE servers.system_identifier = excluded.system_identifier
       RETURNING xmax = 0 AS added`,
      [name, url, systemIdentifier],
    );
    const [row] = rows;
    if (!row) throw new AppError('CONFLICT', `There is a server ${name} already, and it is another PostgreSQL`);
    return row.added;
  } catch (error) {
    if (constraintOf(error) !== 'servers_system_identifier_key') throw error;
    throw new AppError('CONFLICT', 'This PostgreSQL is a server already, under another name', { cause: error });
  }
}

/**
 * Removes a server on which there is no tenant.
 * @throws {AppError} NOT_FOUND, or CONFLICT if tenants or checkpoints are on it or it is the first
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
      throw new AppError(
        'CONFLICT',
        `There are checkpoints on the server ${name}, so it cannot be removed before they are dropped`,
        { cause: error },
      );
    }
    const tenants = count === 1 ? 'is 1 tenant' : `are ${count} tenants`;
    throw new AppError('CONFLICT', `There ${tenants} on the server ${name}, so it cannot be removed`, {
      cause: error,
      details: { tenantCount: count },
    });
  }
}
