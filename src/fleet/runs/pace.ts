import type { MigrationRun } from '../../catalog/entities/migration-run.entity.ts';

/** How fast a run is. */
export interface RunPace {
  /** Tenants per second since it was started or resumed; null while it is unknown. */
  readonly rate: number | null;
  /** The estimated remaining time at that rate, in seconds; 0 when the run has ended, null while it is unknown. */
  readonly remainingSeconds: number | null;
}

/**
 * Returns how fast a run is, by the same rule as its events.
 * @param now in milliseconds since 1970
 */
export function paceOf(run: MigrationRun, now = Date.now()): RunPace {
  const { startedAt, endedAt, succeeded, failed, skipped, skippedAtStart, total } = run;
  const done = succeeded + failed + skipped;
  const seconds = startedAt ? ((endedAt?.getTime() ?? now) - startedAt.getTime()) / 1000 : 0;
  const rate = seconds > 0 && done > skippedAtStart ? (done - skippedAtStart) / seconds : null;
  const left = endedAt ? 0 : total - done;
  const remaining = left === 0 ? 0 : rate && left / rate;
  return {
    rate: rate && Number(rate.toPrecision(3)),
    remainingSeconds: remaining && Number(remaining.toFixed(1)),
  };
}
