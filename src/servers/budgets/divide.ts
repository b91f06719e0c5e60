/** The smallest budget of a process: the connection that listens, one to `auth` and one for a tenant. */
export const LEAST_BUDGET = 3;

/**
 * Divides connections among processes. Each gets an equal part, but what some have no use for goes to those that want more. If
 * they all want more than there is, those that want little get it, and the others get equal parts.
 * @param total how many there are; less than {@link LEAST_BUDGET} for each process is exceeded
 * @param wishes how many each process has use for
 * @returns how many each gets, in the same order
 */
export function divideConnections(total: number, wishes: readonly number[]): readonly number[] {
  const wanted = wishes.map((wish, index) => ({ index, wish: Math.max(wish, LEAST_BUDGET) }));
  const isEnough = wanted.reduce((sum, { wish }) => sum + wish, 0) <= total;
  // What the first ones take differs from an equal part, and the rest is divided among those after them.
  const order = wanted.toSorted((one, other) => (isEnough ? other.wish - one.wish : one.wish - other.wish));
  const parts: number[] = [];
  let rest = total;
  for (const [position, { index, wish }] of order.entries()) {
    const equal = Math.max(Math.floor(rest / (order.length - position)), LEAST_BUDGET);
    const part = isEnough ? Math.max(wish, equal) : Math.min(wish, equal);
    parts[index] = part;
    rest -= part;
  }
  return parts;
}
