/**
 * The tenants that this process is working on at this moment. Their rows name this process, and so do those of work that it
 * could not end earlier; recovery leaves out what is in progress.
 */
export class InProgress {
  readonly #counts = new Map<string, number>();

  /** Work on a tenant begins, and ends with the returned object. Several kinds of work on one tenant may overlap. */
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
