import type pg from 'pg';
import type { Catalog } from '../../catalog/catalog.ts';
import type { MigrationRunStatus, RunOptions } from '../../catalog/entities/migration-run.entity.ts';
import { canResume, fromSql, hasEnded, itemSteps, runSteps, type StopReason } from '../../catalog/run-status.ts';
import { toSql } from '../../catalog/steps.ts';
import { AppError } from '../../lib/errors.ts';
import type { TenantFiles } from '../../migrator/files/migration-folders.ts';
import { inTransaction } from '../../postgres/sql/transaction.ts';
import { appendEvents } from '../events/append.ts';
import { plannedFiles } from './planned-files.ts';
import { settleRun, tenantsInWords } from './settle.ts';
import { divide } from './start.ts';

/**
 * Cancels a run: tenants in progress get time to finish, and the others are not started. A run that is already stopping
 * after too many failures can be cancelled too, which limits the time that its tenants in progress may take.
 * @throws {AppError} NOT_FOUND, or CONFLICT if it has ended
 */
export function cancelRun(catalog: Catalog, run: string): Promise<void> {
  return catalog.use((client) =>
    inTransaction(client, async () => {
      const { status, stopping } = await lockRun(client, run);
      if (hasEnded(status)) {
        const left = canResume(status) ? ' You can resume it for its remaining tenants.' : '';
        throw new AppError('CONFLICT', `The run has already ended: it is ${status}.${left}`);
      }
      if (stopping === 'CANCELLED') return;
      await client.query(`UPDATE migration_runs SET stopping = 'CANCELLED' WHERE id = $1`, [run]);
      await appendEvents(client, run, [{ kind: 'RUN_CANCELLED', message: 'tenants in progress still finish' }]);
      await settleRun(client, run);
    }),
  );
}

/**
 * Resumes a run for its failed, cancelled and unstarted tenants, in waves as before.
 * @param files the code's migrations; the run is planned with these from now on, because a changed file may be the fix
 * @throws {AppError} NOT_FOUND, or CONFLICT if the run is in progress, has nothing left to do, or one of its tenants
 *   needs attention
 */
export function resumeRun(catalog: Catalog, files: TenantFiles, run: string): Promise<void> {
  return catalog.use((client) =>
    inTransaction(client, async () => {
      const { status, options } = await lockRun(client, run);
      if (!hasEnded(status))
        throw new AppError(
          'CONFLICT',
          `The run is ${status}, and servers and workers are working on it. You can resume it after it has ended.`,
        );
      await refuseUnready(client, run);
      const gone = await skipDeleted(client, run);
      const { rowCount } = await client.query(
        `UPDATE migration_run_items SET ${toSql(itemSteps.resume)}, attempts = 0, error = NULL, failure = NULL, needs_attention = false,
           started_at = NULL, ended_at = NULL, wave = 1
         WHERE run_id = $1 AND ${fromSql('resume')}`,
        [run],
      );
      const count = rowCount ?? 0;
      if (count === 0 || !canResume(status))
        throw new AppError(
          'CONFLICT',
          'All tenants of this run have succeeded or been deleted, so nothing is left to do',
        );
      const waves = await divide(client, run, options.waves ?? [], count);
      await client.query(
        `UPDATE migration_runs SET ${toSql(runSteps.resume)}, ended_at = NULL, started_at = now(), failed = 0, cancelled = 0,
           wave = 0, waves = $2, wave_open = 0, wave_failed = 0, skipped = skipped + $4,
           skipped_at_start = succeeded + skipped + $4, files = $3
         WHERE id = $1`,
        [run, waves, plannedFiles(files), gone],
      );
      await appendEvents(client, run, [{ kind: 'RUN_RESUMED', message: `${tenantsInWords(count)} again` }]);
      await settleRun(client, run);
    }),
  );
}

/**
 * Skips tenants that are deleted, unless this run brings them back: there is nothing left to do for them. Locks the others
 * against deletion.
 * @returns the number of tenants that were skipped
 */
async function skipDeleted(client: pg.Client, run: string): Promise<number> {
  const { rows } = await client.query<{ id: string }>(
    `SELECT t.id FROM migration_run_items i JOIN tenants t ON t.id = i.tenant_id
     WHERE i.run_id = $1 AND ${fromSql('skipDeleted', 'i.status')} AND t.status <> 'DELETING'
       AND (t.status <> 'DELETED' OR t.undelete_run = i.run_id) FOR KEY SHARE OF t`,
    [run],
  );
  const { rowCount } = await client.query(
    `UPDATE migration_run_items SET ${toSql(itemSteps.skipDeleted)}, error = NULL, failure = NULL, needs_attention = false
     WHERE run_id = $1 AND ${fromSql('skipDeleted')} AND (tenant_id = ANY ($2::uuid[])) IS NOT TRUE`,
    [run, rows.map(({ id }) => id)],
  );
  return rowCount ?? 0;
}

/**
 * Refuses if a tenant needs attention: it may hold a partial change of this run, which an operator has to check first.
 */
async function refuseUnready(client: pg.Client, run: string): Promise<void> {
  const { rows } = await client.query<{ slug: string }>(
    `SELECT slug FROM migration_run_items i JOIN tenants t ON t.id = i.tenant_id
     WHERE run_id = $1 AND ${fromSql('resume', 'i.status')} AND t.status = 'NEEDS_ATTENTION' ORDER BY position`,
    [run],
  );
  if (rows.length === 0) return;
  const slugs = rows.map(({ slug }) => slug);
  throw new AppError(
    'CONFLICT',
    `These tenants need attention before the run can be resumed: ${slugs.join(', ')}. Fix each one, then run \`tenantry tenant resolve SLUG\` or the mutation resolveTenant.`,
    { details: { tenants: slugs } },
  );
}

interface LockedRun {
  readonly status: MigrationRunStatus;
  readonly stopping: StopReason | null;
  readonly options: RunOptions;
}

async function lockRun(client: pg.Client, run: string): Promise<LockedRun> {
  const { rows } = await client.query<LockedRun>(
    'SELECT status, stopping, options FROM migration_runs WHERE id = $1 FOR UPDATE',
    [run],
  );
  const row = rows[0];
  if (!row) throw new AppError('NOT_FOUND', `There is no migration run ${run}`);
  return row;
}
