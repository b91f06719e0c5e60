import { AsyncLocalStorage } from 'node:async_hooks';
import { AppError, messageOf } from '../lib/errors.ts';
import type { PoolClient } from '../postgres/pool/pool.ts';
import { retryWhileFull } from '../postgres/pool/retry-while-full.ts';
import { KeptConnection } from './kept-connection.ts';

const current = new AsyncLocalStorage<OperationScope | undefined>();

/** How long a statement may still run after its operation has ended before it is cancelled, in milliseconds. */
const GRACE_MS = 50;

/** How long a statement waits for a connection if its operation has changed something before, in milliseconds. */
const AFTER_CHANGE_MS = 10_000;

/** How an operation uses its share of this process. */
export interface ShareUse {
  /** Called at each release of a connection with the time for which it was held, in milliseconds. */
  charge(ms: number): void;
  /** See {@link OperationScope.turn}. */
  turn(): Promise<void> | undefined;
}

/** A statement of an operation that waits for a connection. */
interface Wait {
  readonly pool: object;
  /** Cancels the wait for the pool. */
  readonly stop: AbortController;
  readonly resolve: (client: PoolClient) => void;
}

/**
 * The connections to tenants' databases that one operation holds or waits for. An operation ends early when its client
 * disconnects or one of its fields fails. Then it stops waiting, its statements are cancelled and its connections are released.
 *
 * A mutation keeps its connection after a change until its answer is complete. If it had to wait for another connection, it
 * could fail although its change is made.
 */
export class OperationScope {
  readonly #share: ShareUse;
  readonly #held = new Set<PoolClient>();
  readonly #waits = new Set<Wait>();
  readonly #kept = new KeptConnection();
  #mayKeep: boolean;
  #hasEnded = false;
  #hasChanged = false;
  #whenReleased: (() => void) | undefined;

  /** @param keepsConnection whether to keep a connection after a change, until {@link releaseKept} is called */
  constructor(share: ShareUse, { keepsConnection = false } = {}) {
    this.#share = share;
    this.#mayKeep = keepsConnection;
  }

  /** The scope of the current operation; undefined outside of operations. */
  static get current(): OperationScope | undefined {
    return current.getStore();
  }

  /** Runs work outside of the current operation, because other operations share its result. */
  static leave<T>(work: () => T): T {
    return current.run(undefined, work);
  }

  /** Runs the work of the operation. */
  run<T>(work: () => T): T {
    return current.run(this, work);
  }

  /** Whether {@link end} has been called. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Whether the operation has changed something of its tenant. */
  get hasChanged(): boolean {
    return this.#hasChanged;
  }

  /** Remembers that the operation has changed something. */
  noteChange(): void {
    this.#hasChanged = true;
  }

  /** Waits, if it has to, until the operation may process the rows of a query. */
  turn(): Promise<void> | undefined {
    return this.#share.turn();
  }

  /** @throws {AppError} SERVER_BUSY if the operation has ended */
  throwIfEnded(): void {
    if (this.#hasEnded) throw operationEnded();
  }

  /**
   * Acquires a connection for the operation.
   * @param pool identifies the pool that the connection comes from
   * @param connect waits for a connection until the signal aborts
   * @throws {AppError} SERVER_BUSY if the operation has ended, or what `connect` throws
   */
  async acquire(pool: object, connect: (signal: AbortSignal) => Promise<PoolClient>): Promise<PoolClient> {
    this.throwIfEnded();
    const client = this.#kept.take(pool) ?? (await this.#wait(pool, connect));
    if (this.#hasEnded) {
      client.release();
      throw operationEnded();
    }
    const since = performance.now();
    const { release } = client;
    // The pool hands out the same client repeatedly, so each release restores the pool's own `release`.
    client.release = (destroy) => {
      client.release = release;
      this.#held.delete(client);
      if (destroy || !this.#keep(pool, client)) release(destroy);
      this.#share.charge(performance.now() - since);
      this.#settle();
    };
    this.#held.add(client);
    return client;
  }

  /**
   * Ends the operation: it acquires no further connections. Statements that are still running after a short grace period are
   * cancelled.
   */
  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    for (const { stop } of this.#waits) stop.abort(operationEnded());
    if (this.#held.size > 0) setTimeout(() => this.#cancel(), GRACE_MS);
  }

  /** Releases the connection that was kept after a change. From now on, none is kept. */
  releaseKept(): void {
    this.#mayKeep = false;
    this.#kept.release();
  }

  /** Calls `callback` as soon as the operation holds no connection, which may be immediately. */
  whenReleased(callback: () => void): void {
    this.#whenReleased = callback;
    this.#settle();
  }

  #wait(pool: object, connect: (signal: AbortSignal) => Promise<PoolClient>): Promise<PoolClient> {
    const { promise, resolve, reject } = Promise.withResolvers<PoolClient>();
    const wait: Wait = { pool, stop: new AbortController(), resolve };
    this.#waits.add(wait);
    this.#connect(connect, wait.stop.signal).then(
      (client) => {
        if (this.#waits.delete(wait)) resolve(client);
        // Meanwhile the wait has got a connection of the operation.
        else client.release();
      },
      (error: unknown) => {
        this.#waits.delete(wait);
        reject(error);
      },
    );
    return promise;
  }

  /** After a change the client cannot simply repeat the request. So the operation waits longer than others before it fails. */
  #connect(connect: (signal: AbortSignal) => Promise<PoolClient>, signal: AbortSignal): Promise<PoolClient> {
    if (!this.#hasChanged) return connect(signal);
    return retryWhileFull(() => connect(signal), {
      waitMs: AFTER_CHANGE_MS,
      signal,
      isFull: (error) => error instanceof AppError && error.code === 'SERVER_BUSY' && !signal.aborted,
      late: (cause) => new AppError('SERVER_BUSY', messageOf(cause), { cause }),
    });
  }

  /**
   * After a change, gives a connection to another statement of the operation that waits for one, or keeps it. Returns false if
   * it must be released.
   */
  #keep(pool: object, client: PoolClient): boolean {
    if (!this.#mayKeep || !this.#hasChanged || !client.isReusable()) return false;
    for (const wait of this.#waits) {
      if (wait.pool !== pool) continue;
      this.#waits.delete(wait);
      wait.resolve(client);
      wait.stop.abort(operationEnded());
      return true;
    }
    return this.#kept.keep(pool, client);
  }

  #cancel(): void {
    for (const client of [...this.#held]) client.release(true);
  }

  #settle(): void {
    if (this.#held.size > 0) return;
    this.#whenReleased?.();
    this.#whenReleased = undefined;
  }
}

/** The error for code that runs after its operation has ended. No client sees it. */
export function operationEnded(): AppError {
  return new AppError('SERVER_BUSY', 'The operation ended before this work could start. Try again.', {
    details: { retryAfterMs: 1000 },
  });
}
