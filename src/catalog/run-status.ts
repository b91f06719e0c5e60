import type { MigrationRunStatus, RunItemStatus } from './entities/migration-run.entity.ts';
import { includesStatus, type Step, statusSql } from './steps.ts';

/** Every step in the life of a run. */
export const runSteps = {
  start: { from: [], to: ['PENDING'], by: 'startRun' },
  startWave: { from: ['PENDING', 'RUNNING'], to: ['RUNNING'], by: 'settleRun' },
  end: { from: ['PENDING', 'RUNNING'], to: ['SUCCEEDED', 'FAILED', 'HALTED', 'CANCELLED'], by: 'settleRun' },
  resume: { from: ['FAILED', 'HALTED', 'CANCELLED'], to: ['PENDING'], by: 'resumeRun' },
} as const satisfies Record<string, Step<MigrationRunStatus>>;

/** Every step of one tenant of a run. */
export const itemSteps = {
  start: { from: [], to: ['PENDING'], by: 'startRun' },
  skipCurrent: { from: [], to: ['SKIPPED'], by: 'startRun, where the catalog knows that there is nothing to do' },
  claim: { from: ['PENDING'], to: ['RUNNING'], by: 'any worker, once the wave of the item has started' },
  finish: { from: ['RUNNING'], to: ['SUCCEEDED', 'SKIPPED', 'FAILED'], by: 'the worker that claimed it' },
  release: { from: ['RUNNING'], to: ['PENDING'], by: 'the worker that claimed it' },
  takeOver: { from: ['RUNNING'], to: ['PENDING'], by: 'any worker, once the worker that claimed it is dead' },
  cancel: { from: ['PENDING'], to: ['CANCELLED'], by: 'settleRun, while the run is stopping' },
  resume: { from: ['FAILED', 'CANCELLED'], to: ['PENDING'], by: 'resumeRun' },
  skipDeleted: { from: ['FAILED', 'CANCELLED'], to: ['SKIPPED'], by: 'resumeRun, where the tenant is deleted' },
} as const satisfies Record<string, Step<RunItemStatus>>;

/** What an attempt at a tenant can come to. */
export type AttemptStatus = (typeof itemSteps)['finish' | 'release']['to'][number];

/** Why a run starts no more tenants: too many have failed, or somebody has cancelled it. */
export type StopReason = 'HALTED' | 'CANCELLED';

/** The statuses of items of which something is still to come. */
export const openItemStatuses = ['PENDING', 'RUNNING'] as const satisfies readonly RunItemStatus[];

/** Whether a run with this status is over, unless somebody resumes it. */
export function hasEnded(status: MigrationRunStatus): boolean {
  return includesStatus(runSteps.end.to, status);
}

/** Whether a run with this status has left something to do. */
export function canResume(status: MigrationRunStatus): boolean {
  return includesStatus(runSteps.resume.from, status);
}

/**
 * The status with which a run ends. A run that was stopped when nothing was left to start has done everything, so that it
 * ends as if nobody had stopped it.
 * @param cancelled tenants that were not started
 */
export function endStatus(
  { failed, cancelled }: { readonly failed: number; readonly cancelled: number },
  stopping: StopReason | null,
): (typeof runSteps.end.to)[number] {
  if (stopping && cancelled > 0) return stopping;
  return failed > 0 ? 'FAILED' : 'SUCCEEDED';
}

/** SQL that is true of items that a step may start from. */
export function fromSql(step: keyof typeof itemSteps, column?: string): string {
  return statusSql(itemSteps[step].from, column);
}
