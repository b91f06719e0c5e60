interface Step {
  readonly from: readonly string[];
  readonly to: readonly string[];
}

/** Each pair of statuses that a step joins, such as `PENDING → RUNNING`; a new row comes from nothing, a deleted one goes there. */
export function movesOf(steps: Readonly<Record<string, Step>>): string[] {
  const orNothing = (statuses: readonly string[]) => (statuses.length > 0 ? statuses : ['']);
  const pairs = Object.values(steps).flatMap(({ from, to }) =>
    orNothing(from).flatMap((before) => orNothing(to).map((after) => `${before} → ${after}`.trim())),
  );
  return [...new Set(pairs)].sort();
}
