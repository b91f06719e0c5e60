import { setTimeout as sleep } from 'node:timers/promises';

/** The delay after the first failure, in milliseconds. It doubles with each further failure. */
const FIRST_DELAY_MS = 200;
const MAX_DELAY_MS = 5_000;

/**
 * Repeats `work` until the signal is aborted, backing off while it fails. Never rejects.
 * @param pauseMs the pause between repetitions, in milliseconds
 * @param onError called with each error
 * @param firstPauseMs the pause before the first time, in milliseconds
 */
export async function repeatUntil(
  signal: AbortSignal,
  work: () => Promise<void>,
  pauseMs: number,
  onError: (error: unknown) => void,
  firstPauseMs = 0,
): Promise<void> {
  if (firstPauseMs > 0) await pause(firstPauseMs, signal);
  while (!signal.aborted) {
    await retryUntil(signal, work, onError);
    await pause(pauseMs, signal);
  }
}

/**
 * Retries `work` until it succeeds or the signal is aborted, but tries it at least once. Never rejects.
 * @param onError called with each error
 * @returns the result of `work`; undefined if the signal was aborted before it succeeded
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
