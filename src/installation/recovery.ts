import type { Logger } from 'pino';
import { type CheckpointsOptions, pruneCheckpoints } from '../checkpoints/checkpoints.ts';
import { bringBackLate } from '../fleet/runs/bring-back.ts';
import { dropOldPlaces } from '../tenants/old-places.ts';
import type { ProvisioningOptions } from '../tenants/options.ts';
import { purgeExpired } from '../tenants/purge-expired.ts';
import { recoverTenants } from '../tenants/recover.ts';

/** What recovery needs. */
export interface RecoveryOptions {
  readonly provisioning: ProvisioningOptions;
  readonly checkpoints: CheckpointsOptions;
  /** After it has aborted, failures are expected and not logged. */
  readonly stopping: AbortSignal;
  readonly log: Logger;
}

const RECOVER_MS = 15_000;

/**
 * Finishes or removes what dead processes have left incomplete, such as new tenants and copies of databases. It runs now and then
 * periodically, until it is disposed of.
 */
export function startRecovery(options: RecoveryOptions): Disposable & { readonly first: Promise<unknown> } {
  let running: Promise<void> | undefined;
  // A round may take long, such as when the time of a thousand tenants is over.
  const round = () => {
    running ??= recover(options).finally(() => {
      running = undefined;
    });
    return running;
  };
  const first = round();
  const timer = setInterval(() => void round(), RECOVER_MS).unref();
  return { first, [Symbol.dispose]: () => clearInterval(timer) };
}

/** Never rejects. */
async function recover({ provisioning, checkpoints, stopping, log }: RecoveryOptions): Promise<void> {
  const warn = (message: string) => (err: unknown) => {
    if (!stopping.aborted) log.warn({ err }, message);
  };
  await Promise.all([
    bringBackLate(provisioning.catalog).catch(warn('could not look for tenants to bring back')),
    recoverTenants(provisioning)
      .then(() => purgeExpired(provisioning))
      .catch(warn('could not look for incomplete tenants')),
    checkpoints.maintenance.recover().catch(warn('could not look for interrupted maintenance')),
    dropOldPlaces(provisioning).catch(warn('could not look for places to drop')),
    pruneCheckpoints(checkpoints).catch(warn('could not look for checkpoints to drop')),
  ]);
}
