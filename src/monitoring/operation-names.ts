/** How many names of operations have counters of their own. */
const MAX_NAMES = 100;
/** The maximum length of such a name, in characters. */
const MAX_LENGTH = 80;

/** Names for operations that cannot have counters of their own. GraphQL has no such names. */
export const unnamed = '(unnamed)';
export const otherOperation = '(other)';
export const invalidOperation = '(invalid)';

/**
 * Decides which operations have counters of their own, because clients choose the names: the first ones that come from callers
 * with a valid token. All others share one counter.
 */
export class OperationNames {
  readonly #known = new Set<string>();

  /** Returns the name under which an operation is counted. */
  labelOf(name: string | undefined, isAuthenticated: boolean): string {
    if (name === undefined) return unnamed;
    if (this.#known.has(name)) return name;
    if (!isAuthenticated || name.length > MAX_LENGTH || this.#known.size >= MAX_NAMES) return otherOperation;
    this.#known.add(name);
    return name;
  }
}
