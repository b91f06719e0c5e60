import type { Logger } from 'pino';
import { type CheckpointsOptions, pruneCheckpoints } from '../checkpoints/checkpoints.ts';
import type { ProvisioningOptions } from '../tenants/options.ts';
import { recoverTenants } from '../tenants/recover.ts';

/** What is looked after. */
export interface RecoveryOptions {
  readonly provisioning: ProvisioningOptions;
  readonly checkpoints: CheckpointsOptions;
  /** When it comes, what fails is no news. */
  readonly stopping: AbortSignal;
  readonly log: Logger;
}

const RECOVER_MS = 15_000;

/**
 * Finishes or removes, now and again and again, what processes that have died left half done: tenants' creation, copies of
 * databases. Disposing of it ends the repetition.
 */
export function startRecovery(options: RecoveryOptions): Disposable & { readonly first: Promise<unknown> } {
  const first = recover(options);
  const timer = setInterval(() => void recover(options), RECOVER_MS).unref();
  return { first, [Symbol.dispose]: () => clearInterval(timer) };
}

/** It never rejects. */
async function recover({ provisioning, checkpoints, stopping, log }: RecoveryOptions): Promise<void> {
  const warn = (message: string) => (err: unknown) => {
    if (!stopping.aborted) log.warn({ err }, message);
  };
  await Promise.all([
    recoverTenants(provisioning).catch(warn('cannot look for half-created tenants')),
    checkpoints.maintenance.recover().catch(warn('cannot look for work on tenants that was cut short')),
    pruneCheckpoints(checkpoints).catch(warn('cannot look for checkpoints to drop')),
  ]);
}
