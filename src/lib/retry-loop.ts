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

/** Lets a loop wait until there may be something to do. A call that comes while it does not wait ends its next wait. */
export class WakeUp {
  #call = Promise.withResolvers<void>();

  /** Ends the wait. */
  call(): void {
    this.#call.resolve();
  }

  /** Forgets the calls so far. Reset it before looking for work, so that work which arrives in the meantime ends the wait. */
  reset(): void {
    this.#call = Promise.withResolvers();
  }

  /** Waits for a call, for at most `ms` milliseconds. */
  async wait(ms: number): Promise<void> {
    const timer = new AbortController();
    await Promise.race([this.#call.promise, pause(ms, timer.signal)]);
    timer.abort();
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
