import type { MigrationRunStatus, RunItemStatus } from './entities/migration-run.entity.ts';
import { includesStatus, type Step, statusSql } from './steps.ts';

/** Every transition of a run. */
export const runSteps = {
  start: { from: [], to: ['PENDING'], by: 'startRun' },
  startWave: { from: ['PENDING', 'RUNNING'], to: ['RUNNING'], by: 'settleRun' },
  end: { from: ['PENDING', 'RUNNING'], to: ['SUCCEEDED', 'FAILED', 'HALTED', 'CANCELLED'], by: 'settleRun' },
  resume: { from: ['FAILED', 'HALTED', 'CANCELLED'], to: ['PENDING'], by: 'resumeRun' },
} as const satisfies Record<string, Step<MigrationRunStatus>>;

/** Every transition of one tenant of a run. */
export const itemSteps = {
  start: { from: [], to: ['PENDING'], by: 'startRun' },
  skipCurrent: { from: [], to: ['SKIPPED'], by: 'startRun, if the tenant is current according to the catalog' },
  claim: { from: ['PENDING'], to: ['RUNNING'], by: 'any worker, once the wave of the item has started' },
  finish: { from: ['RUNNING'], to: ['SUCCEEDED', 'SKIPPED', 'FAILED'], by: 'the worker that claimed it' },
  release: { from: ['RUNNING'], to: ['PENDING'], by: 'the worker that claimed it' },
  takeOver: { from: ['RUNNING'], to: ['PENDING'], by: 'any worker, once the worker that claimed it is dead' },
  cancel: { from: ['PENDING'], to: ['CANCELLED'], by: 'settleRun, while the run is stopping' },
  resume: { from: ['FAILED', 'CANCELLED'], to: ['PENDING'], by: 'resumeRun' },
  skipDeleted: { from: ['FAILED', 'CANCELLED'], to: ['SKIPPED'], by: 'resumeRun, if the tenant was deleted' },
} as const satisfies Record<string, Step<RunItemStatus>>;

/** The statuses after an attempt at a tenant. */
export type AttemptStatus = (typeof itemSteps)['finish' | 'release']['to'][number];

/** Why a run starts no more tenants: too many have failed, or somebody cancelled it. */
export type StopReason = 'HALTED' | 'CANCELLED';

/** The statuses of unfinished items. */
export const openItemStatuses = ['PENDING', 'RUNNING'] as const satisfies readonly RunItemStatus[];

/** Whether a run with this status has ended. Some ended runs can be resumed: see {@link canResume}. */
export function hasEnded(status: MigrationRunStatus): boolean {
  return includesStatus(runSteps.end.to, status);
}

/** Whether a run with this status can be resumed. */
export function canResume(status: MigrationRunStatus): boolean {
  return includesStatus(runSteps.resume.from, status);
}

/**
 * Returns the status with which a run ends. A run that was stopped after its last tenant had started ends as if nobody had
 * stopped it.
 * @param cancelled tenants that were not started
 */
export function endStatus(
  { failed, cancelled }: { readonly failed: number; readonly cancelled: number },
  stopping: StopReason | null,
): (typeof runSteps.end.to)[number] {
  if (stopping && cancelled > 0) return stopping;
  return failed > 0 ? 'FAILED' : 'SUCCEEDED';
}

/** Returns a condition for items to which a transition applies. */
export function fromSql(step: keyof typeof itemSteps, column?: string): string {
  return statusSql(itemSteps[step].from, column);
}
