/** The milliseconds since a moment of `performance.now()`, to the microsecond, below which there is only noise. */
export function elapsedSince(start: number): number {
  return Math.round((performance.now() - start) * 1000) / 1000;
}
