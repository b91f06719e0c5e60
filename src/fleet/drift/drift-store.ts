import type pg from 'pg';
import { statusSql } from '../../catalog/steps.ts';
import { isAliveSql } from '../../postgres/sql/advisory-lock.ts';

/** The result of comparing a tenant's tables with the entities. */
export interface DriftResult {
  /** The statements that would make the tables match the entities. */
  readonly statements: readonly string[];
  /** Why they could not be compared. */
  readonly error: string | null;
}

/** Which tenants to compare. */
export interface TenantSelection {
  /** Ids; by default all. */
  readonly ids?: readonly string[] | undefined;
  /** Leaves out those that were compared since the current check of the fleet began. */
  readonly unchecked?: boolean;
}

/** The number of statements that are stored for a tenant. */
export const MAX_STATEMENTS = 50;
/** The length of each, and of an error, in UTF-16 code units. */
const MAX_LENGTH = 1_000;

/** No process is replacing the databases of these tenants, and their migrations are known. */
const comparable = statusSql(['ACTIVE', 'SUSPENDED'], 't.status');

/** Lists tenants in the order of their ids. */
export async function listTenantIds(
  client: pg.Client,
  {
    ids,
    unchecked = false,
    states,
    after,
    most,
  }: TenantSelection & {
    readonly states: readonly string[];
    readonly after: string | undefined;
    readonly most: number;
  },
): Promise<readonly string[]> {
  const { rows } = await client.query<{ id: string }>(
    `SELECT t.id FROM tenants t LEFT JOIN tenant_drifts d ON d.tenant_id = t.id
     WHERE ${comparable} AND t.migration_state = ANY ($1) AND ($2::uuid[] IS NULL OR t.id = ANY ($2))
       AND ($3::uuid IS NULL OR t.id > $3)
       AND (NOT $4 OR d.checked_at IS NULL OR d.checked_at < (SELECT begun_at FROM fleet_checks WHERE name = 'drift'))
     ORDER BY t.id LIMIT $5`,
    [states, ids ?? null, after ?? null, unchecked, most],
  );
  return rows.map(({ id }) => id);
}

/**
 * Stores the result of a comparison. A trigger writes an event for webhooks if new differences were found.
 * @param states the migrations that the tenant must have; otherwise it was migrated meanwhile and the result means nothing
 * @returns whether it was stored
 */
export async function storeDrift(
  client: pg.Client,
  tenant: string,
  { statements, error }: DriftResult,
  states: readonly string[],
): Promise<boolean> {
  const { rowCount } = await client.query(
    `INSERT INTO tenant_drifts AS d (tenant_id, differences, statements, error)
     SELECT t.id, $2::integer, $3::text[], $4::text FROM tenants t WHERE t.id = $1 AND ${comparable} AND t.migration_state = ANY ($5) FOR KEY SHARE
     ON CONFLICT (tenant_id) DO UPDATE SET checked_at = now(), error = excluded.error,
       differences = CASE WHEN excluded.error IS NULL THEN excluded.differences ELSE d.differences END,
       statements = CASE WHEN excluded.error IS NULL THEN excluded.statements ELSE d.statements END`,
    [
      tenant,
      statements.length,
      statements.slice(0, MAX_STATEMENTS).map((sql) => sql.slice(0, MAX_LENGTH)),
      error?.slice(0, MAX_LENGTH),
      states,
    ],
  );
  return rowCount === 1;
}

/**
 * Claims the check of the fleet if it is due, or was left unfinished by a process that died or stopped.
 * @param hours how long after the beginning of the last check the next one is due
 */
export async function claimCheck(client: pg.Client, instance: number, hours: number): Promise<boolean> {
  const { rowCount } = await client.query(
    `UPDATE fleet_checks SET claimed_by = $1, ended_at = NULL,
       begun_at = CASE WHEN ended_at IS NULL AND begun_at IS NOT NULL THEN begun_at ELSE now() END
     WHERE name = 'drift' AND (claimed_by IS NULL OR claimed_by = $1 OR NOT ${isAliveSql('claimed_by')})
       AND (ended_at IS NULL OR begun_at < now() - make_interval(hours => $2))`,
    [instance, hours],
  );
  return rowCount === 1;
}

/** Ends this process's claim. @param done whether the check is complete; otherwise another process continues it */
export async function releaseCheck(client: pg.Client, instance: number, done: boolean): Promise<void> {
  await client.query(
    `UPDATE fleet_checks SET claimed_by = NULL, ended_at = CASE WHEN $2 THEN now() END
     WHERE name = 'drift' AND claimed_by = $1`,
    [instance, done],
  );
}
