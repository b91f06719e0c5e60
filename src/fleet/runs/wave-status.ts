import type pg from 'pg';
import { openItemStatuses } from '../../catalog/run-status.ts';
import { statusSql } from '../../catalog/steps.ts';

/** The maximum number of waves of a run that are shown. */
export const MAX_WAVES = 100;

/** The statuses of a wave of a run. */
export const waveStatuses = {
  PENDING: { description: 'It starts after the waves before it.' },
  RUNNING: { description: 'Its tenants are migrated.' },
  SUCCEEDED: { description: 'All its tenants have ended, and none has failed.' },
  FAILED: { description: 'All its tenants have ended, and some have failed.' },
  CANCELLED: { description: 'The run was stopped before all its tenants were started.' },
} as const;

/** How far a wave of a run is. */
export interface WaveStatus {
  /** From 1. */
  readonly number: number;
  readonly size: number;
  readonly status: keyof typeof waveStatuses;
  /** Tenants that have ended, whether they succeeded or failed. */
  readonly done: number;
  readonly failed: number;
  /** Tenants that have not ended and still will. */
  readonly remaining: number;
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
}

type Row = Omit<WaveStatus, 'startedAt' | 'endedAt'> & {
  readonly run: string;
  readonly startedMs: number | null;
  readonly endedMs: number | null;
};

/**
 * Reads the waves of runs, in order. Tenants that were current at the start belong to no wave, nor do those that ended before the
 * run was resumed, because the rest is divided anew.
 * @param runs ids
 * @returns the waves of each run, in the order of `runs`
 */
export async function readWaves(
  client: pg.Client,
  runs: readonly string[],
): Promise<readonly (readonly WaveStatus[])[]> {
  const { rows } = await client.query<Row>(
    `SELECT run, number, size, size - remaining - cancelled AS done, failed, remaining, "startedMs",
       CASE WHEN remaining = 0 THEN "endedMs" END AS "endedMs",
       CASE WHEN cancelled > 0 THEN 'CANCELLED' WHEN number > wave THEN 'PENDING' WHEN remaining > 0 THEN 'RUNNING'
         WHEN failed > 0 THEN 'FAILED' ELSE 'SUCCEEDED' END AS status
     FROM (
       SELECT r.id AS run, r.wave, i.wave AS number, count(*)::int AS size,
         count(*) FILTER (WHERE ${statusSql(openItemStatuses, 'i.status')})::int AS remaining,
         count(*) FILTER (WHERE ${statusSql(['FAILED'], 'i.status')})::int AS failed,
         count(*) FILTER (WHERE ${statusSql(['CANCELLED'], 'i.status')})::int AS cancelled,
         (extract(epoch FROM min(i.started_at)) * 1000)::float8 AS "startedMs",
         (extract(epoch FROM max(i.ended_at)) * 1000)::float8 AS "endedMs"
       FROM migration_runs r JOIN migration_run_items i ON i.run_id = r.id
       WHERE r.id = ANY ($1::uuid[]) AND NOT (${statusSql(['SKIPPED'], 'i.status')} AND i.started_at IS NULL)
         AND (i.ended_at IS NULL OR r.started_at IS NULL OR i.ended_at >= r.started_at)
       GROUP BY r.id, r.wave, i.wave) w
     WHERE number <= ${MAX_WAVES} ORDER BY number`,
    [runs],
  );
  const waves = Map.groupBy(rows, ({ run }) => run);
  return runs.map((run) =>
    (waves.get(run) ?? []).map(({ run: _, startedMs, endedMs, ...wave }) => {
      // The catalog's connections leave the parsing of dates to MikroORM, so times are read as numbers.
      return { ...wave, startedAt: dateOf(startedMs), endedAt: dateOf(endedMs) };
    }),
  );
}

function dateOf(ms: number | null): Date | null {
  return ms === null ? null : new Date(ms);
}
