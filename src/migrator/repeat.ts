import { setTimeout as sleep } from 'node:timers/promises';

const FIRST_TROUBLE_MS = 200;
const MAX_TROUBLE_MS = 5_000;

/**
 * Does `work` again and again until the signal comes, more slowly while it fails. It never rejects.
 * @param pauseMs between one time and the next, in milliseconds
 * @param onTrouble told each error
 */
export async function repeatUntil(
  signal: AbortSignal,
  work: () => Promise<void>,
  pauseMs: number,
  onTrouble: (error: unknown) => void,
): Promise<void> {
  for (let troubleMs = 0; !signal.aborted; ) {
    try {
      await work();
      troubleMs = 0;
    } catch (error) {
      onTrouble(error);
      troubleMs = Math.min(troubleMs * 2 || FIRST_TROUBLE_MS, MAX_TROUBLE_MS);
    }
    await sleep(pauseMs + troubleMs, undefined, { signal }).catch(() => undefined);
  }
}
