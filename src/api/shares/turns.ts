/** How long the event loop is left to others after a turn, in proportion to how long the turn took. */
const REST = 2;

/**
 * Lets expensive operations use the event loop one after another, with pauses in between. Without it the rows of
 * several queries could arrive together, and a cheap operation would wait until all of them are processed, again and
 * again: at each step that it takes itself.
 */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  #isTaken = false;

  /** Waits for a turn. It lasts until the event loop continues with something else. */
  take(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (!this.#isTaken) this.#next();
    });
  }

  #next(): void {
    const start = this.#waiting.shift();
    this.#isTaken = start !== undefined;
    if (!start) return;
    const since = performance.now();
    start();
    setImmediate(() => setTimeout(() => this.#next(), REST * (performance.now() - since)));
  }
}
