import type { Logger } from 'pino';
import { AppError, messageOf } from '../../lib/errors.ts';
import { elapsedSince } from '../../lib/time.ts';
import { isConnectTimeout, isUnreachable } from '../sql/error-codes.ts';

/** How long callers fail immediately after a failed attempt to connect, in milliseconds. */
const PAUSE_MS = 1_000;

/**
 * Keeps callers from waiting for a server that is known to be down. After a failure to connect, all callers fail immediately
 * for a moment. Then one of them tries again while the others still fail.
 */
export class CircuitBreaker {
  readonly #server: string;
  readonly #log: Logger;
  readonly #kind: string;
  #failure: { readonly cause: unknown; readonly since: number } | undefined;
  #tryAgainAt = 0;

  /**
   * @param server its name, for messages
   * @param kind what it is, for messages; the connection pooler of a server has the server's name
   */
  constructor(server: string, log: Logger, kind: 'PostgreSQL server' | 'connection pooler' = 'PostgreSQL server') {
    this.#server = server;
    this.#log = log;
    this.#kind = kind;
  }

  /** Whether the server did not answer the last attempt to connect. */
  get isOpen(): boolean {
    return this.#failure !== undefined;
  }

  /** For how long the server has not answered, in milliseconds; 0 if it has answered the last attempt. */
  get openForMs(): number {
    return this.#failure ? elapsedSince(this.#failure.since) : 0;
  }

  /**
   * Connects, unless the server is known to be down.
   * @param connect called once more if it times out
   * @throws {AppError} SERVER_BUSY if the server does not answer; an error that the server sends is thrown unchanged
   */
  async attempt<T>(connect: () => Promise<T>): Promise<T> {
    if (this.#failure) {
      if (Date.now() < this.#tryAgainAt) throw this.#error(this.#failure.cause);
      this.#tryAgainAt = Number.POSITIVE_INFINITY;
    }
    try {
      const connected = await this.#connect(connect);
      this.reset();
      return connected;
    } catch (error) {
      if (!isUnreachable(error)) {
        this.reset();
        throw error;
      }
      if (!this.#failure)
        this.#log.error({ reason: messageOf(error), server: this.#server }, `a ${this.#kind} does not answer`);
      this.#failure = { cause: error, since: this.#failure?.since ?? performance.now() };
      this.#tryAgainAt = Date.now() + PAUSE_MS;
      throw this.#error(error);
    }
  }

  /** Resets the breaker, because the server has answered or its address has changed. */
  reset(): void {
    if (this.#failure) this.#log.info({ server: this.#server }, `connecting to a ${this.#kind} again`);
    this.#failure = undefined;
  }

  /**
   * Tries again after a timeout. When this process is blocked for some seconds, its timers fire before it reads the server's
   * answer, so a single timeout says nothing about the server.
   */
  async #connect<T>(connect: () => Promise<T>): Promise<T> {
    try {
      return await connect();
    } catch (error) {
      if (this.#failure || !isConnectTimeout(error)) throw error;
      return connect();
    }
  }

  #error(cause: unknown): AppError {
    const which = this.#kind === 'connection pooler' ? `${this.#kind} of the server` : this.#kind;
    return new AppError('SERVER_BUSY', `The ${which} ${this.#server} does not answer. Try again in a moment.`, {
      cause,
      details: { retryAfterMs: PAUSE_MS },
    });
  }
}
