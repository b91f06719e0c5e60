import type pg from 'pg';
import type { MigrationRunStatus, RunOptions } from '../../catalog/entities/migration-run.entity.ts';
import {
  endStatus,
  fromSql,
  hasEnded,
  itemSteps,
  openItemStatuses,
  runSteps,
  type StopReason,
} from '../../catalog/run-status.ts';
import { statusSql, toSql } from '../../catalog/steps.ts';
import { appendEvents } from '../events/append.ts';
import { wakeWorkers } from '../worker/wake-up.ts';
import { bringBack } from './bring-back.ts';

interface RunState {
  readonly options: RunOptions;
  readonly status: MigrationRunStatus;
  readonly stopping: StopReason | null;
  readonly wave: number;
  readonly waves: number;
  readonly waveOpen: number;
  readonly waveFailed: number;
  readonly failed: number;
}

/** The state of a run after it was settled. */
export interface SettledRun {
  readonly hasEnded: boolean;
  /** Whether no further tenants will be started. */
  readonly stopping: boolean;
}

/**
 * Advances a run after a change: stops it if too many tenants have failed, starts its next wave, or ends it. Every
 * transaction that changes a run calls this, so a run never waits for a process that has died.
 * @param client a connection to `auth`, in a transaction
 */
export async function settleRun(client: pg.Client, run: string): Promise<SettledRun> {
  const state = await lockRun(client, run);
  if (hasEnded(state.status)) return ended;
  const stopping = state.stopping ?? (isTooMuch(state) ? 'HALTED' : null);
  if (stopping) {
    const underWay = await stopRun(client, run, stopping);
    return underWay > 0 ? { hasEnded: false, stopping: true } : endRun(client, run);
  }
  if (state.waveOpen > 0) return goesOn;
  if (state.wave >= state.waves) return endRun(client, run);
  const started = await startWave(client, run, state);
  return started > 0 ? goesOn : settleRun(client, run);
}

const goesOn: SettledRun = { hasEnded: false, stopping: false };
const ended: SettledRun = { hasEnded: true, stopping: true };

async function lockRun(client: pg.Client, run: string): Promise<RunState> {
  const { rows } = await client.query<RunState>(
    `SELECT options, status, stopping, wave, waves, wave_open AS "waveOpen", wave_failed AS "waveFailed", failed
     FROM migration_runs WHERE id = $1 FOR UPDATE`,
    [run],
  );
  const state = rows[0];
  if (!state) throw gone(run);
  return state;
}

function gone(run: string): Error {
  return new Error(`The run ${run} is gone from the catalog`);
}

/**
 * Whether failures stop the run. Without `continueOnError`, the first one does. With a limit, exceeding it does, even in the
 * middle of a wave. With neither, a failure keeps the next wave from starting.
 */
function isTooMuch({ options, failed, wave, waves, waveOpen, waveFailed }: RunState): boolean {
  const { continueOnError, maxFailures } = options;
  if (!continueOnError && failed > 0) return true;
  if (maxFailures !== undefined) return failed > maxFailures;
  return waveFailed > 0 && waveOpen === 0 && wave < waves;
}

/**
 * Cancels the tenants that have not been tried. An earlier attempt at the others may have completed without being
 * recorded, so a process claims them, records what the attempt did, and starts nothing new.
 * @returns the number of tenants in progress, which are left to finish
 */
async function stopRun(client: pg.Client, run: string, stopping: StopReason): Promise<number> {
  const { rowCount } = await client.query(
    `UPDATE migration_run_items SET ${toSql(itemSteps.cancel)}, not_before = NULL, ended_at = now()
     WHERE run_id = $1 AND ${isUntried}`,
    [run],
  );
  const { rows } = await client.query<{ underWay: number }>(
    `UPDATE migration_runs SET stopping = $2, cancelled = cancelled + $3, wave_open = i.under_way
     FROM (SELECT count(*)::int AS under_way FROM migration_run_items WHERE run_id = $1 AND ${statusSql(openItemStatuses)}) i
     WHERE id = $1 RETURNING i.under_way AS "underWay"`,
    [run, stopping, rowCount],
  );
  // Processes release the tenants that are still queued.
  await wakeWorkers(client, run);
  return rows[0]?.underWay ?? 0;
}

const isUntried = `${fromSql('cancel')} AND attempts = 0`;

/** @returns the number of tenants in the wave */
async function startWave(client: pg.Client, run: string, state: RunState): Promise<number> {
  const wave = state.wave + 1;
  const { rows } = await client.query<{ tenants: number }>(
    `UPDATE migration_runs SET ${toSql(runSteps.startWave)}, wave = $2, wave_open = w.tenants, wave_failed = 0,
       started_at = coalesce(started_at, now())
     FROM (SELECT count(*)::int AS tenants FROM migration_run_items WHERE run_id = $1 AND wave = $2 AND ${fromSql('claim')}) w
     WHERE id = $1 RETURNING w.tenants`,
    [run, wave],
  );
  const tenants = rows[0]?.tenants ?? 0;
  await wakeWorkers(client, run);
  if (state.waves > 1) {
    const message = `wave ${wave} of ${state.waves}: ${tenantsInWords(tenants)}`;
    await appendEvents(client, run, [{ kind: 'WAVE_STARTED', message }]);
  }
  return tenants;
}

interface EndedRun {
  readonly succeeded: number;
  readonly failed: number;
  readonly skipped: number;
  readonly cancelled: number;
  readonly stopping: StopReason | null;
  /** Failed tenants that need an operator's attention. */
  readonly inNeed: number;
}

async function endRun(client: pg.Client, run: string): Promise<SettledRun> {
  const { rows } = await client.query<EndedRun>(
    `SELECT succeeded, failed, skipped, cancelled, stopping,
       (SELECT count(*)::int FROM migration_run_items WHERE run_id = $1 AND needs_attention AND failed > 0) AS "inNeed"
     FROM migration_runs WHERE id = $1`,
    [run],
  );
  const [counts] = rows;
  if (!counts) throw gone(run);
  const { succeeded, failed, skipped, cancelled, stopping, inNeed } = counts;
  await client.query(
    `UPDATE migration_runs SET status = $2, stopping = NULL, ended_at = now(), started_at = coalesce(started_at, now())
     WHERE id = $1`,
    [run, endStatus(counts, stopping)],
  );
  await bringBack(client, run);
  const attention = inNeed > 0 ? ` (${inNeed} ${inNeed === 1 ? 'needs' : 'need'} attention)` : '';
  const notStarted = cancelled > 0 ? `, ${cancelled} not started` : '';
  const message = `${succeeded} succeeded, ${failed} failed${attention}, ${skipped} skipped${notStarted}`;
  await appendEvents(client, run, [{ kind: 'RUN_ENDED', message }]);
  return ended;
}

/** Formats a number of tenants. */
export function tenantsInWords(count: number): string {
  return count === 1 ? '1 tenant' : `${count} tenants`;
}
