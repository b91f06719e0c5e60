import type { Logger } from 'pino';
import { AppError, messageOf } from '../../lib/errors.ts';
import { isConnectTimeout, isUnreachable } from '../sql/error-codes.ts';

/** How long callers are turned away at once after a server did not answer, in milliseconds. */
const PAUSE_MS = 1_000;

/**
 * Keeps callers from waiting for a server that is known to be down: after a failure to connect they fail at once for a
 * moment, then one of them tries again while the others still fail.
 */
export class CircuitBreaker {
  readonly #server: string;
  readonly #log: Logger;
  #failure: { readonly cause: unknown } | undefined;
  #tryAgainAt = 0;

  /** @param server its name, for messages */
  constructor(server: string, log: Logger) {
    this.#server = server;
    this.#log = log;
  }

  /** Whether the last attempt to connect got no answer. */
  get isOpen(): boolean {
    return this.#failure !== undefined;
  }

  /**
   * Connects, unless the server is known to be down.
   * @param connect is called once more when its time has run out
   * @throws {AppError} SERVER_BUSY if it does not answer; whatever it answers is thrown as it is
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
        this.#log.error({ reason: messageOf(error), server: this.#server }, 'a PostgreSQL server does not answer');
      this.#failure = { cause: error };
      this.#tryAgainAt = Date.now() + PAUSE_MS;
      throw this.#error(error);
    }
  }

  /** Forgets a failure: the server answers, or it has another address now. */
  reset(): void {
    if (this.#failure) this.#log.info({ server: this.#server }, 'a PostgreSQL server can be asked again');
    this.#failure = undefined;
  }

  /**
   * When this process stands still for some seconds, its timers run out before it reads what the server has long answered: one
   * timeout says nothing of the server.
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
    return new AppError(
      'SERVER_BUSY',
      `The PostgreSQL server ${this.#server} does not answer. Try again in a moment.`,
      {
        cause,
        details: { retryAfterMs: PAUSE_MS },
      },
    );
  }
}
