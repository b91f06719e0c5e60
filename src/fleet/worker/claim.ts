import type pg from 'pg';
import type { Catalog } from '../../catalog/catalog.ts';
import type { Isolation } from '../../catalog/entities/tenant.entity.ts';
import { isMovingSql } from '../../catalog/open-work.ts';
import { fromSql, itemSteps } from '../../catalog/run-status.ts';
import { toSql } from '../../catalog/steps.ts';
import { isAliveSql } from '../../postgres/sql/advisory-lock.ts';
import { inTransaction } from '../../postgres/sql/transaction.ts';
import type { Placement } from '../../routing/placement.ts';
import { appendEvents } from '../events/append.ts';
import { settleRun } from '../runs/settle.ts';
import { wakeWorkers } from './wake-up.ts';

/** A tenant of a run that this process has claimed. */
export interface RunItem extends Placement {
  readonly run: string;
  readonly position: number;
  /** Identifies the claim. A process that has lost it must not write the tenant's result. */
  readonly claim: string;
  readonly tenantId: string;
  readonly slug: string;
  /** The ten characters in the names of its database, schema and role. */
  readonly key: string;
  readonly isolation: Isolation;
  /** The number of earlier attempts by any process, including those whose process died. */
  readonly attempts: number;
  /** The migrations that this run has already reported for the tenant. */
  readonly applied: readonly string[];
  /** Whether the database was being copied or replaced at the time of the claim. */
  readonly isMaintained: boolean;
  /** Whether the tenant needs attention because an earlier run left it half migrated. */
  readonly needsAttention: boolean;
  /** Whether work on it had started before. */
  readonly begun: boolean;
}

/**
 * Claims tenants for this process: PENDING items of started waves, in order of position, except tenants that are moved. No other process can claim
 * them, and claiming never waits for a lock.
 * @param instance this process's number, by which others know whose claims to take over when it dies
 * @param runs the runs that this process can carry out; all others are left to other processes
 * @param unreachable servers that this process cannot reach, but perhaps others can; their tenants are left too
 */
export async function claimItems(
  catalog: Catalog,
  instance: number,
  count: number,
  runs: readonly string[],
  unreachable: readonly string[],
): Promise<readonly RunItem[]> {
  const isReachable =
    unreachable.length > 0 && 'NOT EXISTS (SELECT FROM tenants WHERE id = tenant_id AND server = ANY ($4::text[]))';
  const values = [instance, count, runs, ...(isReachable ? [unreachable] : [])];
  const { rows } = await catalog.use((client) => client.query<RunItem>(claimSql(isReachable || 'true'), values));
  return rows;
}

// Each run's items are read from an index in order, and only as far as needed.
const claimSql = (condition: string) => `
  WITH free AS (
    SELECT i.run_id, i.position FROM migration_runs r CROSS JOIN LATERAL (
      SELECT run_id, position FROM migration_run_items
      WHERE run_id = r.id AND wave = r.wave AND ${fromSql('claim')} AND (not_before IS NULL OR not_before <= now())
        AND NOT ${isMovingSql('tenant_id')} AND ${condition}
      ORDER BY position LIMIT $2 FOR UPDATE SKIP LOCKED) i
    WHERE r.ended_at IS NULL AND r.id = ANY ($3::uuid[])
    ORDER BY i.position, r.created_at LIMIT $2),
  claimed AS (
    UPDATE migration_run_items i SET ${toSql(itemSteps.claim)}, claimed_by = $1, claim = gen_random_uuid(), not_before = NULL
    FROM free WHERE i.run_id = free.run_id AND i.position = free.position
    RETURNING i.run_id, i.position, i.claim, i.attempts, i.applied, i.tenant_id, i.started_at IS NOT NULL AS begun)
  SELECT c.run_id AS run, c.position, c.claim, c.attempts, c.applied, c.begun, c.tenant_id AS "tenantId", t.slug, t.key, t.isolation, t.server, t.database,
    t.schema, t.status = 'MAINTENANCE' AS "isMaintained", t.status = 'NEEDS_ATTENTION' AS "needsAttention"
  FROM claimed c JOIN tenants t ON t.id = c.tenant_id ORDER BY c.position, c.run_id`;

/** Reads the open claims of a process from the catalog. */
export async function claimsOf(catalog: Catalog, instance: number): Promise<readonly string[]> {
  const { rows } = await catalog.use((client) =>
    client.query<{ claim: string }>(
      `SELECT claim FROM migration_run_items WHERE ${fromSql('release')} AND claimed_by = $1`,
      [instance],
    ),
  );
  return rows.map(({ claim }) => claim);
}

/**
 * Makes the tenants of dead processes claimable again. A process is dead when nobody holds its advisory lock.
 * @param lost claims of living processes to release too, because their process doesn't know of them
 * @returns the number of tenants
 */
export async function takeOverItems(catalog: Catalog, lost: readonly string[]): Promise<number> {
  const { rows } = await catalog.use((client) =>
    client.query<{ run: string }>(`SELECT DISTINCT run_id AS run FROM migration_run_items WHERE ${isAbandoned('$1')}`, [
      lost,
    ]),
  );
  let count = 0;
  for (const { run } of rows) {
    count += await catalog.use((client) => inTransaction(client, () => takeOver(client, run, lost)));
  }
  return count;
}

/** True for items claimed by a process that is no longer alive, and for items whose claim is given as lost. */
function isAbandoned(lost: '$1' | '$2'): string {
  return `${fromSql('takeOver')} AND (claim = ANY (${lost}::uuid[]) OR NOT ${isAliveSql('claimed_by')})`;
}

async function takeOver(client: pg.Client, run: string, lost: readonly string[]): Promise<number> {
  await client.query('SELECT FROM migration_runs WHERE id = $1 FOR UPDATE', [run]);
  const { rows } = await client.query<{ tenantId: string }>(
    `UPDATE migration_run_items SET ${toSql(itemSteps.takeOver)}, claimed_by = NULL, claim = NULL, attempts = attempts + 1
     WHERE run_id = $1 AND ${isAbandoned('$2')} RETURNING tenant_id AS "tenantId"`,
    [run, lost],
  );
  if (rows.length === 0) return 0;
  await appendEvents(
    client,
    run,
    rows.map(({ tenantId }) => ({
      kind: 'TENANT_RETRYING',
      tenantId,
      message: 'the process that worked on it died',
    })),
  );
  await wakeWorkers(client, run);
  await settleRun(client, run);
  return rows.length;
}
