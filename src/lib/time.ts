/** Returns the milliseconds since `start`, a value of `performance.now()`, rounded to the microsecond. */
export function elapsedSince(start: number): number {
  return Math.round((performance.now() - start) * 1000) / 1000;
}

/**
 * Waits for `work` up to a time limit. After the limit, `work` continues in the background and its result is ignored.
 * @param ms the limit in milliseconds
 * @throws {Error} `late`, or an error with this message, when the limit is exceeded
 */
export async function withTimeLimit<T>(work: Promise<T>, ms: number, late: string | Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    const giveUp = () => reject(typeof late === 'string' ? new Error(late) : late);
    // A process that was busy until now first reads what has arrived meanwhile: the event loop does that before immediates.
    timer = setTimeout(() => setImmediate(giveUp), ms);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
