/** The smallest budget of a process: the connection that listens, one to `auth`, one for a tenant and one that administers. */
export const LEAST_BUDGET = 4;

/**
 * Divides connections among processes. Each gets an equal part, but what some do not need goes to those that need more. If
 * there are too few for all, those that need few get them, and the others get equal parts.
 * @param total how many there are; less than {@link LEAST_BUDGET} for each process is exceeded
 * @param wanted how many each process needs
 * @returns how many each gets, in the same order
 */
export function divideConnections(total: number, wanted: readonly number[]): readonly number[] {
  const demands = wanted.map((each, index) => ({ index, demand: Math.max(each, LEAST_BUDGET) }));
  const isEnough = demands.reduce((sum, { demand }) => sum + demand, 0) <= total;
  // What the first ones take differs from an equal part, and the rest is divided among those after them.
  const order = demands.toSorted((one, other) => (isEnough ? other.demand - one.demand : one.demand - other.demand));
  const parts: number[] = [];
  let rest = total;
  for (const [position, { index, demand }] of order.entries()) {
    const equal = Math.max(Math.floor(rest / (order.length - position)), LEAST_BUDGET);
    const part = isEnough ? Math.max(demand, equal) : Math.min(demand, equal);
    parts[index] = part;
    rest -= part;
  }
  return parts;
}
