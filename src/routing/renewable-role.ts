import { AppError } from '../lib/errors.ts';
import type { PoolClient } from '../postgres/pool/pool.ts';
import { isPoolerFailure, sqlState, sqlStateOf } from '../postgres/sql/error-codes.ts';

/**
 * How long after its renewal a role that is still refused is not renewed again, in milliseconds. A pooler has one code for all
 * refusals, and keeps refusing for a moment after a failed login.
 */
const RENEW_AGAIN_MS = 10_000;

/** What is renewed: the role, so that it can log in, or also its sessions, which a pooler keeps from before. */
export type Renewal = 'login' | 'sessions';

/**
 * A tenant's role, which is renewed when it cannot be used. After a change of ROLE_SECRET or of the server, its password differs
 * from the derived one. The role of a tenant that was brought back from the bin may still be kept from logging in.
 */
export class RenewableRole {
  readonly #renew: (renewal: Renewal) => Promise<void>;
  readonly #renewing = new Map<Renewal, Promise<void>>();
  readonly #renewedAt = new Map<Renewal, number>();

  constructor(renew: (renewal: Renewal) => Promise<void>) {
    this.#renew = renew;
  }

  /**
   * Connects again after renewing the role, if the failure may be due to it.
   * @throws the error, if it is another one, or what `connect` throws
   */
  async reconnect(connect: () => Promise<PoolClient>, error: unknown): Promise<PoolClient> {
    const state = sqlStateOf(error);
    const isRejected = state === sqlState.invalidPassword || state === sqlState.invalidAuthorization;
    const isWrong = error instanceof WrongSessionError;
    if (!isRejected && !isWrong && !isPoolerFailure(error)) throw error;
    const renewal = isWrong ? 'sessions' : 'login';
    const renewedAt = this.#renewedAt.get(renewal) ?? Number.NEGATIVE_INFINITY;
    if (isRejected || performance.now() - renewedAt >= RENEW_AGAIN_MS) await this.#renewOnce(renewal);
    return connect();
  }

  /** One of a kind at a time: what several callers ask for is the same. */
  #renewOnce(renewal: Renewal): Promise<void> {
    const started = this.#renewing.get(renewal);
    if (started) return started;
    const renewing = this.#renew(renewal)
      .then(() => {
        this.#renewedAt.set(renewal, performance.now());
      })
      .finally(() => this.#renewing.delete(renewal));
    this.#renewing.set(renewal, renewing);
    return renewing;
  }
}

/** A pooler gave a session of another role, of another database or with other settings. */
export class WrongSessionError extends AppError {
  /** @param wrong what is wrong, for the log */
  constructor(wrong: string) {
    super('SERVER_BUSY', "The connection pooler does not give this tenant's sessions. Try again in a moment.", {
      cause: new Error(`its sessions have another ${wrong} than the tenant's role`),
      details: { retryAfterMs: 1000 },
    });
  }
}

/**
 * Returns a pooler's client, or closes it if its session is not that of the tenant.
 * @param findWrong returns what is not the tenant's
 * @throws {WrongSessionError}
 */
export async function checkedSession(
  client: PoolClient,
  findWrong: () => Promise<string | undefined>,
): Promise<PoolClient> {
  let wrong: string | undefined;
  try {
    wrong = await findWrong();
  } catch (error) {
    client.release(true);
    throw error;
  }
  if (wrong === undefined) return client;
  client.release(true);
  throw new WrongSessionError(wrong);
}
