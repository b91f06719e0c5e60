import { setTimeout as sleep } from 'node:timers/promises';
import { TenantTransfer } from '../catalog/entities/tenant-transfer.entity.ts';
import { ActiveTransfer } from './active-transfer.ts';
import { attemptTransfer, StoppedError } from './attempt.ts';
import type { TransferOptions } from './options.ts';
import { claimTransfer } from './store.ts';

/** How often to look while another process works on it, in milliseconds. */
const LOOK_MS = 100;

/**
 * Carries out a transfer in this process, unless another one does, and returns it when it has ended.
 * @param signal ends the wait, and the work
 */
export async function runTransferHere(
  options: TransferOptions,
  id: string,
  signal?: AbortSignal,
): Promise<TenantTransfer> {
  const { catalog } = options;
  for (;;) {
    signal?.throwIfAborted();
    const found = await catalog.fork().findOneOrFail(TenantTransfer, { id });
    if (found.endedAt) return found;
    if (!(await attemptHere(options, id, signal))) await sleep(LOOK_MS);
  }
}

/** @returns false if it cannot be claimed now */
async function attemptHere(options: TransferOptions, id: string, signal: AbortSignal | undefined): Promise<boolean> {
  const { catalog, listener, underWay } = options;
  if (underWay.has(id) || !listener.connected) return false;
  using _working = underWay.begin(id);
  const held = underWay.ids().filter((each) => each !== id);
  const claimed = await catalog.use((client) => claimTransfer(client, listener.instance, held, id));
  if (!claimed) return false;
  const active = new ActiveTransfer(options, claimed);
  await active.alone(signal, new StoppedError(), () => attemptTransfer(active));
  return true;
}
