import { CopyLostError } from '../copying/replication/follower.ts';
import { AppError, messageOf } from '../lib/errors.ts';
import { isRefusedDatabase, isTransient, sqlState, sqlStateOf } from '../postgres/sql/error-codes.ts';
import { type ActiveTransfer, TransferCancelledError } from './active-transfer.ts';
import { cloneTenant } from './clones/clone.ts';
import { giveUp, PendingEndError, release } from './give-up.ts';
import { TenantInMaintenanceError } from './hold.ts';
import { move } from './move.ts';
import { moveToNode } from './nodes/move.ts';
import { LostClaimError } from './store.ts';

/** The process stops. */
export class StoppedError extends Error {
  constructor() {
    super('the process that worked on it stopped');
  }
}

/** The maximum number of attempts, if each fails for a temporary reason or its process dies. */
const MAX_ATTEMPTS = 6;
/** The wait before the second attempt, in milliseconds. It doubles with each further one. */
const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 10_000;
/** The wait while a checkpoint of the tenant is made or restored, in milliseconds. */
const MAINTENANCE_MS = 250;

/** Makes one attempt at a transfer, and stores how it ended. Never rejects: what cannot be stored is left to the next claim. */
export async function attemptTransfer(active: ActiveTransfer): Promise<void> {
  const { log } = active.options;
  const { id, slug } = active.transfer;
  try {
    await attemptOnce(active);
  } catch (err) {
    if (err instanceof LostClaimError) {
      log.warn({ transfer: id, tenant: slug }, 'another process has taken over a transfer');
      return;
    }
    log.error(
      { err, transfer: id, tenant: slug },
      'could not store the end of an attempt at a transfer; it will be claimed again',
    );
    const next = err instanceof PendingEndError ? 'it is given up, and the next try to end it' : undefined;
    await release(active, {
      delayMs: delayOf(active),
      counts: true,
      message: messageOf(err),
      ...(next !== undefined && { next }),
    }).catch(() => undefined);
  }
}

async function attemptOnce(active: ActiveTransfer): Promise<void> {
  const { outcome, error, attempts, isCancelRequested } = active.transfer;
  // An earlier claim decided this, and could not complete it.
  if (outcome !== null) return giveUp(active, { outcome, error });
  if (isCancelRequested) return giveUp(active, { outcome: 'CANCELLED', error: null });
  if (attempts > MAX_ATTEMPTS) {
    const last = error === null ? '' : ` The last error: ${error}`;
    const message = `All ${MAX_ATTEMPTS} attempts have failed.${last} Fix the cause, then resume the transfer.`;
    return giveUp(active, { outcome: 'FAILED', error: message });
  }
  try {
    await carryOut(active);
  } catch (thrown) {
    await endAttempt(active, active.signal.aborted ? active.signal.reason : thrown);
  }
}

function carryOut(active: ActiveTransfer): Promise<void> {
  switch (active.transfer.kind) {
    case 'MOVE':
    case 'RESTORE':
      return active.transfer.toNode === null ? move(active) : moveToNode(active, active.transfer.toNode);
    case 'CLONE':
      return cloneTenant(active);
    default:
      throw new AppError('CONFLICT', 'The process that imported the tenant ended. Import it again.');
  }
}

async function endAttempt(active: ActiveTransfer, error: unknown): Promise<void> {
  const { log } = active.options;
  const { id, slug, attempts } = active.transfer;
  if (error instanceof LostClaimError) throw error;
  if (error instanceof TransferCancelledError) return giveUp(active, { outcome: 'CANCELLED', error: null });
  const message = messageOf(error);
  if (error instanceof StoppedError) return release(active, { delayMs: 0, counts: false, message });
  if (error instanceof TenantInMaintenanceError)
    return release(active, { delayMs: MAINTENANCE_MS, counts: false, message });
  log.warn({ err: error, transfer: id, tenant: slug, attempts }, 'an attempt at a transfer failed');
  if (mayPass(error) && attempts < MAX_ATTEMPTS) {
    return release(active, { delayMs: delayOf(active), counts: true, message });
  }
  return giveUp(active, { outcome: 'FAILED', error: message });
}

function delayOf({ transfer }: ActiveTransfer): number {
  return Math.min(FIRST_DELAY_MS * 2 ** (transfer.attempts - 1), MAX_DELAY_MS);
}

/** Whether the next attempt may succeed. */
function mayPass(error: unknown): boolean {
  // The source no longer has all changes since the copy, so it starts over.
  if (error instanceof CopyLostError) return true;
  if (error instanceof AppError) return error.code === 'SERVER_BUSY' || error.code === 'TENANT_BUSY';
  // Somebody is connected to a database that is to be copied, or connections are disallowed for a moment.
  return isTransient(error) || isRefusedDatabase(error) || sqlStateOf(error) === sqlState.objectInUse;
}
