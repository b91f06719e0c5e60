import type { TransferStatus } from './entities/tenant-transfer.entity.ts';
import { includesStatus, type Step, statusSql, toSql } from './steps.ts';

/** Every transition of a transfer. */
export const transferSteps = {
  start: { from: [], to: ['PENDING'], by: 'moveTenant, cloneTenant, importTenant, or restoreCheckpoint' },
  /** Also that of a dead process. What an earlier attempt has made at the new place is dropped, and the copy starts over. */
  begin: {
    from: ['PENDING', 'COPYING', 'CATCHING_UP', 'SWITCHING'],
    to: ['COPYING'],
    by: 'any worker that has claimed it, because no living process had',
  },
  catchUp: {
    from: ['PENDING', 'COPYING', 'CATCHING_UP', 'SWITCHING'],
    to: ['CATCHING_UP'],
    by: 'the worker that claimed it, for a move while the tenant is served; it keeps the finished copy of an earlier attempt',
  },
  /** The point of no return: from here on it cannot be cancelled. */
  enterSwitch: {
    from: ['COPYING', 'CATCHING_UP'],
    to: ['SWITCHING'],
    by: 'the worker that claimed it, unless it is to be cancelled',
  },
  succeed: { from: ['SWITCHING'], to: ['SUCCEEDED'], by: 'the worker that claimed it, with the change of the tenant' },
  /** After a failure that may pass, or when the process stops. */
  release: {
    from: ['PENDING', 'COPYING', 'CATCHING_UP', 'SWITCHING'],
    to: ['PENDING'],
    by: 'the worker that claimed it',
  },
  fail: {
    from: ['PENDING', 'COPYING', 'CATCHING_UP', 'SWITCHING'],
    to: ['FAILED'],
    by: 'the worker that claimed it, once the tenant is as it was before',
  },
  cancel: {
    from: ['PENDING', 'COPYING', 'CATCHING_UP', 'SWITCHING'],
    to: ['CANCELLED'],
    by: 'cancelTransfer, or the worker that claimed it, once the tenant is as it was before',
  },
  resume: { from: ['FAILED', 'CANCELLED'], to: ['PENDING'], by: 'resumeTransfer' },
} as const satisfies Record<string, Step<TransferStatus>>;

/** The transitions that update a row. */
type Change = { [Name in keyof typeof transferSteps]: (typeof transferSteps)[Name] }[Exclude<
  keyof typeof transferSteps,
  'start'
>];

/** Whether a transfer with this status has ended. Some ended transfers can be resumed: see {@link canResumeTransfer}. */
export function hasTransferEnded(status: TransferStatus): boolean {
  return includesStatus(['SUCCEEDED', 'FAILED', 'CANCELLED'], status);
}

/** Whether a transfer with this status can be resumed. */
export function canResumeTransfer(status: TransferStatus): boolean {
  return includesStatus(transferSteps.resume.from, status);
}

/** Whether a transfer with this status can still be cancelled. */
export function canCancelTransfer(status: TransferStatus): boolean {
  return includesStatus(['PENDING', ...transferSteps.enterSwitch.from], status);
}

/**
 * Returns the update that performs a transition of transfers, which it calls `x`. It skips transfers with a status to which the
 * transition does not apply. No other SQL updates a transfer's status.
 * @param where the condition that selects transfers
 * @param set further assignments
 */
export function takeTransferStepSql(
  step: Change,
  { where, set }: { readonly where: string; readonly set?: string },
): string {
  const columns = set === undefined ? toSql(step) : `${toSql(step)}, ${set}`;
  return `UPDATE tenant_transfers x SET ${columns} WHERE ${where} AND ${statusSql(step.from, 'x.status')}`;
}
