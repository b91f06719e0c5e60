import type pg from 'pg';
import type { ObservedState } from '../../catalog/migration-states.ts';
import { fromSql } from '../../catalog/run-status.ts';
import type { NewRecord } from '../../migrator/files/history.ts';
import type { NewRunEvent } from '../events/append.ts';
import type { RunItem } from './claim.ts';

/** What an attempt at a tenant has done so far. The attempt goes on. */
export interface ItemProgress extends Pick<RunItem, 'position' | 'tenantId' | 'claim'> {
  /** All migrations that the run has applied to the tenant. */
  readonly applied: readonly string[];
  /** Those of them that are not in the fleet's history yet. */
  readonly records: readonly NewRecord[];
  /** The tenant's migrations now; undefined if they are as before. */
  readonly state?: ObservedState;
  readonly events: readonly NewRunEvent[];
}

/**
 * Stores what the run has applied to tenants so far. Their attempts are counted from the beginning again, because a tenant
 * that makes progress is not what kills the processes.
 * @returns for each report of a tenant that no other process has taken over in the meantime what is new of it: an earlier write
 *   without a response may have stored the rest
 */
export async function writeProgress(
  client: pg.Client,
  run: string,
  reports: readonly ItemProgress[],
): Promise<ReadonlyMap<ItemProgress, ItemProgress>> {
  if (reports.length === 0) return new Map();
  const latest = [...new Map(reports.map((report) => [report.claim, report])).values()];
  const { rows } = await client.query<{ claim: string; before: string[] }>(
    `UPDATE migration_run_items i SET attempts = 0, applied = ARRAY(SELECT jsonb_array_elements_text(b.now))
     FROM (
       SELECT old.position, old.claim, old.applied AS before, p.applied AS now
       FROM migration_run_items old JOIN unnest($2::uuid[], $3::int[], $4::jsonb[]) AS p (claim, position, applied)
         ON old.position = p.position AND old.claim = p.claim
       WHERE old.run_id = $1 AND ${fromSql('finish', 'old.status')} FOR UPDATE OF old) b
     WHERE i.run_id = $1 AND i.position = b.position
     RETURNING b.claim, b.before`,
    [
      run,
      latest.map(({ claim }) => claim),
      latest.map(({ position }) => position),
      latest.map(({ applied }) => JSON.stringify(applied)),
    ],
  );
  const stored = new Map(rows.map(({ claim, before }) => [claim, new Set(before)]));
  return new Map(
    reports.flatMap((report): [ItemProgress, ItemProgress][] => {
      const before = stored.get(report.claim);
      if (!before) return [];
      const records = report.records.filter(({ name }) => !before.has(name));
      const events = report.events.filter(
        (event) => event.kind !== 'MIGRATION_APPLIED' || !before.has(event.migration ?? ''),
      );
      return [[report, { ...report, records, events }]];
    }),
  );
}
