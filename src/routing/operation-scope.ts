import { AsyncLocalStorage } from 'node:async_hooks';
import { AppError } from '../lib/errors.ts';
import type { PoolClient } from '../postgres/pool/pool.ts';

const current = new AsyncLocalStorage<OperationScope | undefined>();

/** How long a statement may still run after its operation has ended before it is cancelled, in milliseconds. */
const GRACE_MS = 50;

/**
 * The connections to tenants' databases that one operation holds or waits for. When the operation ends early, because its
 * client has gone away or one of its fields has failed, nobody wants what it is still asking for: it stops waiting, its
 * statements are cancelled, and its connections come back.
 */
export class OperationScope {
  readonly #charge: (ms: number) => void;
  readonly #held = new Set<PoolClient>();
  #waits: AbortController | undefined;
  #isOver = false;
  #whenReturned: (() => void) | undefined;

  /** @param charge is told for how long each connection was held, in milliseconds, when it comes back */
  constructor(charge: (ms: number) => void) {
    this.#charge = charge;
  }

  /** The scope of the operation whose code calls this; undefined outside of operations. */
  static get current(): OperationScope | undefined {
    return current.getStore();
  }

  /** Does work whose result others wait for too, so that it must not end with the operation that began it. */
  static leave<T>(work: () => T): T {
    return current.run(undefined, work);
  }

  /** Does the work of the operation. */
  run<T>(work: () => T): T {
    return current.run(this, work);
  }

  /** Whether {@link end} has been called. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** @throws {AppError} if the operation is over */
  throwIfOver(): void {
    if (this.#isOver) throw operationOver();
  }

  /**
   * Obtains a connection for the operation.
   * @param connect waits for one until the signal comes
   * @throws {AppError} if the operation is over; and what `connect` throws
   */
  async borrow(connect: (signal: AbortSignal) => Promise<PoolClient>): Promise<PoolClient> {
    this.throwIfOver();
    this.#waits ??= new AbortController();
    const client = await connect(this.#waits.signal);
    if (this.#isOver) {
      client.release();
      throw operationOver();
    }
    const since = performance.now();
    const { release } = client;
    // The same client is lent again and again: each time it has the budget's own release back.
    client.release = (destroy) => {
      client.release = release;
      this.#held.delete(client);
      release(destroy);
      this.#charge(performance.now() - since);
      this.#settle();
    };
    this.#held.add(client);
    return client;
  }

  /**
   * Ends the operation: it gets no further connection, and what it still does with those that it has is cancelled after a
   * moment, unless that ends by itself.
   */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#waits?.abort(operationOver());
    if (this.#held.size > 0) setTimeout(() => this.#cancel(), GRACE_MS);
  }

  /** Has `callback` called when the operation holds no connection: at once if that is so now. */
  whenReturned(callback: () => void): void {
    this.#whenReturned = callback;
    this.#settle();
  }

  #cancel(): void {
    for (const client of [...this.#held]) client.release(true);
  }

  #settle(): void {
    if (this.#held.size > 0) return;
    this.#whenReturned?.();
    this.#whenReturned = undefined;
  }
}

/** What the code of an operation gets that is over. No client sees it. */
export function operationOver(): AppError {
  return new AppError('SERVER_BUSY', 'The operation has ended before this could be done. Try again.', {
    details: { retryAfterMs: 1000 },
  });
}
