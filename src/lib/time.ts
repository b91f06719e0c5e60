/** The milliseconds since a moment of `performance.now()`, to the microsecond, below which there is only noise. */
export function elapsedSince(start: number): number {
  return Math.round((performance.now() - start) * 1000) / 1000;
}

/**
 * Waits for `work`, but not for ever; what it does goes on unseen.
 * @param ms the limit in milliseconds
 * @throws {Error} with `message` when the limit is over
 */
export async function withTimeLimit<T>(work: Promise<T>, ms: number, message: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(message)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
