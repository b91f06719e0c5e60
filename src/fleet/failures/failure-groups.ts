import type pg from 'pg';
import { statusSql } from '../../catalog/steps.ts';
import type { Failure } from './failure.ts';

/** The maximum number of groups of a run that are shown. */
export const MAX_GROUPS = 50;

/** The maximum number of tenants of a group that can be listed. */
export const MAX_GROUP_TENANTS = 100;

/** Tenants of a run that failed in the same way. */
export interface FailureGroup extends Failure {
  readonly count: number;
  /** The ids of the first of them, in the order of the run, without those deleted since. */
  readonly tenants: readonly string[];
  /** The slugs of the same. */
  readonly slugs: readonly string[];
}

/**
 * Groups the failures of runs, the most frequent first.
 * @param runs ids
 * @returns the groups of each run, in the order of `runs`
 */
export async function readFailureGroups(
  client: pg.Client,
  runs: readonly string[],
): Promise<readonly (readonly FailureGroup[])[]> {
  const { rows } = await client.query<FailureGroup & { run: string }>(
    // Items that an earlier version has written have only their own error.
    `SELECT run_id AS run, error, code, migration, statement, count, tenants, slugs FROM (
       SELECT run_id, f.*, count(*)::int AS count,
         (array_agg(t.id ORDER BY position) FILTER (WHERE t.id IS NOT NULL))[1:${MAX_GROUP_TENANTS}] AS tenants,
         (array_agg(t.slug ORDER BY position) FILTER (WHERE t.id IS NOT NULL))[1:${MAX_GROUP_TENANTS}] AS slugs,
         row_number() OVER (PARTITION BY run_id ORDER BY count(*) DESC, min(position)) AS n
       FROM migration_run_items i LEFT JOIN tenants t ON t.id = i.tenant_id, LATERAL (
         SELECT coalesce(failure->>'error', i.error, '') AS error, failure->>'code' AS code,
           failure->>'migration' AS migration, failure->>'statement' AS statement) f
       WHERE run_id = ANY ($1::uuid[]) AND ${statusSql(['FAILED'], 'i.status')}
       GROUP BY run_id, f.error, f.code, f.migration, f.statement) g
     WHERE n <= ${MAX_GROUPS} ORDER BY n`,
    [runs],
  );
  const groups = Map.groupBy(rows, ({ run }) => run);
  return runs.map((run) =>
    (groups.get(run) ?? []).map(({ run: _, tenants, slugs, ...group }) => {
      // PostgreSQL returns NULL for an array without elements.
      return { ...group, tenants: tenants ?? [], slugs: slugs ?? [] };
    }),
  );
}
