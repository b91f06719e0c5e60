import { setTimeout as sleep } from 'node:timers/promises';

/** How long to wait after the first failure, in milliseconds; then twice as long each time. */
const FIRST_DELAY_MS = 200;
const MAX_DELAY_MS = 5_000;

/**
 * Does `work` again and again until the signal comes, more slowly while it fails. It never rejects.
 * @param pauseMs between one time and the next, in milliseconds
 * @param onError told each error
 */
export async function repeatUntil(
  signal: AbortSignal,
  work: () => Promise<void>,
  pauseMs: number,
  onError: (error: unknown) => void,
): Promise<void> {
  while (!signal.aborted) {
    await retryUntil(signal, work, onError);
    await pause(pauseMs, signal);
  }
}

/**
 * Tries `work` until it succeeds, but after the signal no more than once. It never rejects.
 * @param onError told each error
 * @returns what `work` resolves to; undefined if the signal came before it succeeded
 */
export async function retryUntil<T>(
  signal: AbortSignal,
  work: () => Promise<T>,
  onError: (error: unknown) => void,
): Promise<T | undefined> {
  let delayMs = FIRST_DELAY_MS;
  do {
    try {
      return await work();
    } catch (error) {
      onError(error);
    }
    await pause(delayMs, signal);
    delayMs = Math.min(delayMs * 2, MAX_DELAY_MS);
  } while (!signal.aborted);
  return undefined;
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
