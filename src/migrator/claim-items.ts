import type pg from 'pg';
import type { Catalog } from '../catalog/catalog.ts';
import type { Isolation } from '../catalog/tenant.entity.ts';
import { appendEvents } from '../events/append-events.ts';
import { isAliveSql } from '../postgres/advisory-lock.ts';
import { inTransaction } from '../postgres/transaction.ts';
import type { Placement } from '../tenancy/placement.ts';
import type { RunQueue } from './run-queue.ts';
import { fromSql, itemSteps, toSql } from './run-status.ts';
import { enqueue, settleRun } from './settle-run.ts';

/** A tenant of a run that this process has claimed. */
export interface RunItem extends Placement {
  readonly run: string;
  readonly position: number;
  readonly job: string;
  readonly tenantId: string;
  readonly isolation: Isolation;
  /** How often it has been tried before, by whatever process; a process that died counts. */
  readonly attempts: number;
  /** Whether its database was being copied or replaced when it was claimed. */
  readonly isMaintained: boolean;
  /** Whether it waits for somebody to look at it, since an earlier run has left it half done. */
  readonly needsAttention: boolean;
  /** Whether work on it has begun before. */
  readonly begun: boolean;
}

/**
 * Claims tenants for this process. Each is marked with the process's number, so that others know whose it is when it dies.
 * @param instance the number of this process
 * @param except runs that are left to other processes
 */
export function claimItems(
  catalog: Catalog,
  queue: RunQueue,
  instance: number,
  count: number,
  except: readonly string[],
): Promise<readonly RunItem[]> {
  return catalog.use((client) =>
    inTransaction(client, async () => {
      const jobs = await queue.claim(client, count, except);
      if (jobs.length === 0) return [];
      const { rows } = await client.query<RunItem>(
        `WITH claimed AS (
           UPDATE migration_run_items i SET ${toSql(itemSteps.claim)}, claimed_by = $1
           FROM unnest($2::uuid[], $3::int[], $4::uuid[]) AS j (run, position, id)
           WHERE i.run_id = j.run AND i.position = j.position AND i.job = j.id AND ${fromSql('claim', 'i.status')}
             AND i.run_id = ANY ($2) AND i.position = ANY ($3)
           RETURNING i.run_id, i.position, i.attempts, i.tenant_id, i.job, i.started_at IS NOT NULL AS begun)
         SELECT c.run_id AS run, c.position, c.job, c.attempts, c.begun, c.tenant_id AS "tenantId", t.isolation, t.server, t.database,
           t.schema, t.status = 'MAINTENANCE' AS "isMaintained", t.status = 'NEEDS_ATTENTION' AS "needsAttention"
         FROM claimed c JOIN tenants t ON t.id = c.tenant_id ORDER BY c.run_id, c.position`,
        [instance, jobs.map(({ data }) => data.run), jobs.map(({ data }) => data.position), jobs.map(({ id }) => id)],
      );
      // Jobs whose run was cancelled, or deleted, since they were added.
      const claimed = new Set(rows.map(({ job }) => job));
      await queue.remove(
        client,
        jobs.flatMap(({ id }) => (claimed.has(id) ? [] : id)),
      );
      return rows;
    }),
  );
}

/** The jobs of tenants that a process has claimed and that have not ended, as the catalog knows it. */
export async function jobsClaimedBy(catalog: Catalog, instance: number): Promise<readonly string[]> {
  const { rows } = await catalog.use((client) =>
    client.query<{ job: string }>(
      `SELECT job FROM migration_run_items WHERE ${fromSql('release')} AND claimed_by = $1`,
      [instance],
    ),
  );
  return rows.map(({ job }) => job);
}

/**
 * Puts the tenants of processes that have died back into the queue. A process is dead when nobody holds its advisory lock.
 * @param lost jobs of living processes that are put back as well, since their processes do not know of them
 * @returns how many there were
 */
export async function takeOverItems(catalog: Catalog, queue: RunQueue, lost: readonly string[]): Promise<number> {
  const { rows } = await catalog.use((client) =>
    client.query<{ run: string }>(`SELECT DISTINCT run_id AS run FROM migration_run_items WHERE ${isAbandoned('$1')}`, [
      lost,
    ]),
  );
  let count = 0;
  for (const { run } of rows) {
    count += await catalog.use((client) => inTransaction(client, () => takeOver(client, queue, run, lost)));
  }
  return count;
}

/** True of items that a process had under way which is not alive any more, and of those whose jobs are given as lost. */
function isAbandoned(lost: '$1' | '$2'): string {
  return `${fromSql('takeOver')} AND (job = ANY (${lost}::uuid[]) OR NOT ${isAliveSql('claimed_by')})`;
}

async function takeOver(client: pg.Client, queue: RunQueue, run: string, unknown: readonly string[]): Promise<number> {
  await client.query('SELECT FROM migration_runs WHERE id = $1 FOR UPDATE', [run]);
  const { rows } = await client.query<{ position: number; tenantId: string; lost: string; job: string }>(
    `UPDATE migration_run_items i SET ${toSql(itemSteps.takeOver)}, claimed_by = NULL, attempts = i.attempts + 1, job = gen_random_uuid()
     FROM (SELECT position, job FROM migration_run_items WHERE run_id = $1 AND ${isAbandoned('$2')} FOR UPDATE) lost
     WHERE i.run_id = $1 AND i.position = lost.position
     RETURNING i.position, i.tenant_id AS "tenantId", lost.job AS lost, i.job`,
    [run, unknown],
  );
  await queue.remove(
    client,
    rows.map(({ lost }) => lost),
  );
  await enqueue(client, queue, run, rows);
  await appendEvents(
    client,
    run,
    rows.map(({ tenantId }) => ({
      kind: 'TENANT_RETRYING',
      tenantId,
      message: 'the process that worked on it has died',
    })),
  );
  await settleRun(client, queue, run);
  return rows.length;
}
