import type pg from 'pg';
import { AppError } from '../lib/errors.ts';
import { constraintOf } from '../postgres/sql/error-codes.ts';
import { inTransaction } from '../postgres/sql/transaction.ts';
import { FIRST_SERVER } from './entities/database-server.entity.ts';

/** A server in the catalog. */
export interface ServerRow {
  readonly name: string;
  /** Encrypted; null for the first server. */
  readonly url: string | null;
  /** Encrypted; null for the first server, and for one without a pooler. */
  readonly poolerUrl: string | null;
  readonly acceptsTenants: boolean;
  /** Null: the budget of the settings. */
  readonly connectionBudget: number | null;
}

/** A server to add to the catalog. */
export interface NewServerRow {
  readonly name: string;
  /** Encrypted. */
  readonly url: string;
  /** Encrypted; null to keep the one that it has. */
  readonly poolerUrl: string | null;
  /** PostgreSQL's system identifier. */
  readonly systemIdentifier: string;
}

/** Reads all servers, in the order in which they were added. */
export async function readServerRows(client: pg.Client): Promise<readonly ServerRow[]> {
  const { rows } = await client.query<ServerRow>(
    `SELECT name, url, pooler_url AS "poolerUrl", accepts_tenants AS "acceptsTenants", connection_budget AS "connectionBudget"
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
  { name, url, poolerUrl, systemIdentifier }: NewServerRow,
): Promise<boolean> {
  try {
    const { rows } = await client.query<{ added: boolean }>(
      // An inserted row has no xmax. An updated row has this transaction's id there.
      `INSERT INTO servers (name, url, system_identifier, pooler_url) VALUES ($1, $2, $3, $4)
       ON CONFLICT (name) DO UPDATE SET url = excluded.url, pooler_url = coalesce(excluded.pooler_url, servers.pooler_url)
       WHERE servers.system_identifier = excluded.system_identifier
       RETURNING xmax = 0 AS added`,
      [name, url, systemIdentifier, poolerUrl],
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

/** What can be changed of a server in the catalog. What is undefined stays as it is. */
export interface ServerChange {
  readonly acceptsTenants?: boolean | undefined;
  /** Encrypted; null for none. */
  readonly poolerUrl?: string | null | undefined;
}

/** Changes a server. @throws {AppError} NOT_FOUND */
export async function updateServerRow(client: pg.Client, name: string, change: ServerChange): Promise<void> {
  const { acceptsTenants, poolerUrl } = change;
  const { rowCount } = await client.query(
    `UPDATE servers SET accepts_tenants = coalesce($2, accepts_tenants), pooler_url = CASE WHEN $3 THEN $4 ELSE pooler_url END
     WHERE name = $1`,
    [name, acceptsTenants, poolerUrl !== undefined, poolerUrl],
  );
  if (rowCount === 0) throw new AppError('NOT_FOUND', `There is no server ${name}`);
}

/**
 * Removes a server without tenants from the catalog.
 * @throws {AppError} NOT_FOUND, or CONFLICT if it is the first server, or has tenants, unfinished transfers,
 *   old places or checkpoints
 */
export async function deleteServerRow(client: pg.Client, name: string): Promise<void> {
  if (name === FIRST_SERVER) {
    throw new AppError('CONFLICT', `The server ${name} comes from the settings and cannot be removed`);
  }
  await inTransaction(client, async () => {
    // Whoever starts a transfer to or from the server waits for this.
    const { rowCount } = await client.query('SELECT FROM servers WHERE name = $1 FOR UPDATE', [name]);
    if (rowCount === 0) throw new AppError('NOT_FOUND', `There is no server ${name}`);
    await refuseWhileUsed(client, name);
    await client.query('DELETE FROM servers WHERE name = $1', [name]);
  });
}

/** The order is that of the messages: the first of these that there is, is named. */
async function refuseWhileUsed(client: pg.Client, name: string): Promise<void> {
  const { rows } = await client.query<Record<'tenants' | 'transfers' | 'places' | 'checkpoints', number>>(
    `SELECT (SELECT count(*)::int FROM tenants WHERE server = $1) AS tenants,
       (SELECT count(*)::int FROM tenant_transfers WHERE ended_at IS NULL AND $1 IN (from_server, to_server)) AS transfers,
       (SELECT count(*)::int FROM old_places WHERE server = $1) AS places,
       (SELECT count(*)::int FROM checkpoints WHERE server = $1) AS checkpoints`,
    [name],
  );
  const { tenants = 0, transfers = 0, places = 0, checkpoints = 0 } = rows[0] ?? {};
  if (tenants > 0) {
    const has = tenants === 1 ? '1 tenant' : `${tenants} tenants`;
    throw new AppError(
      'CONFLICT',
      `The server ${name} has ${has}, so it cannot be removed. Move or delete them first.`,
      {
        details: { tenantCount: tenants },
      },
    );
  }
  if (transfers > 0) {
    throw new AppError(
      'CONFLICT',
      `Transfers of tenants to or from the server ${name} have not finished. Wait for their end, or cancel them.`,
    );
  }
  if (places > 0) {
    throw new AppError(
      'CONFLICT',
      `The server ${name} still has ${places === 1 ? 'a place' : `${places} places`} where tenants were before they moved. They are dropped when their time is over. To drop those of a tenant now, run \`tenantry tenant drop-old SLUG\` or the mutation dropOldPlaces.`,
      { details: { oldPlaceCount: places } },
    );
  }
  if (checkpoints > 0) {
    throw new AppError('CONFLICT', `The server ${name} has checkpoints. Delete them before you remove it.`);
  }
}
