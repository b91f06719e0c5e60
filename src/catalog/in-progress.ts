/**
 * The tenants that this process is working on. Their rows name this process, as do those of work that it failed to end earlier;
 * this tells recovery which is which.
 */
export class InProgress {
  readonly #counts = new Map<string, number>();

  /** Marks a tenant until the returned object is disposed of. Work on the same tenant may overlap. */
  begin(id: string): Disposable {
    this.#count(id, 1);
    return { [Symbol.dispose]: () => this.#count(id, -1) };
  }

  has(id: string): boolean {
    return this.#counts.has(id);
  }

  /** The ids of all tenants in progress. */
  ids(): readonly string[] {
    return [...this.#counts.keys()];
  }

  #count(id: string, change: 1 | -1): void {
    const count = (this.#counts.get(id) ?? 0) + change;
    if (count === 0) this.#counts.delete(id);
    else this.#counts.set(id, count);
  }
}
