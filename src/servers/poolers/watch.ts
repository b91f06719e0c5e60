import type { Logger } from 'pino';
import { FIRST_SERVER } from '../../catalog/entities/database-server.entity.ts';
import type { PoolerAddress } from '../../config/server-address.ts';
import { messageOf } from '../../lib/errors.ts';
import { repeatUntil } from '../../lib/retry-loop.ts';
import { elapsedSince, withTimeLimit } from '../../lib/time.ts';
import type { PostgresServer, Servers } from '../../postgres/server.ts';
import { type CheckPoolerOptions, tryPooler } from './check-pooler.ts';
import { pingPooler } from './ping.ts';

/** What watching poolers needs. */
export interface PoolerWatchOptions extends CheckPoolerOptions {
  readonly servers: Pick<Servers, 'values'>;
  readonly log: Logger;
}

interface Found {
  /** Undefined if tenants' requests can go through it. */
  readonly problem?: string | undefined;
  /** Whether it does not answer at all. */
  readonly isDead?: boolean;
}

interface Trial extends Found {
  readonly pooler: PoolerAddress;
  /** A `performance.now()` value. */
  readonly endedAt: number;
}

/** How often to try poolers that are new or do not answer, in milliseconds. */
const LOOK_MS = 5_000;
/** How long to leave a pooler alone that answers but cannot be used, in milliseconds. Each attempt makes a role and drops it. */
const WRONG_MS = 60_000;
/** How long a pooler may take to answer at all, in milliseconds. */
const ANSWER_MS = 3_000;
/** How long to wait while another process tries the same pooler, in milliseconds. */
const OTHERS_WAIT_MS = 1_000;

/**
 * Tries the pooler of each server once: when this process starts, and when a pooler is new or has changed. It logs one that tenants'
 * requests cannot go through, tries it again until they can, and logs that too. Those that fail later are noticed by requests.
 */
export class PoolerWatch implements AsyncDisposable {
  readonly #options: PoolerWatchOptions;
  readonly #stop = new AbortController();
  readonly #trials = new Map<string, Trial>();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: PoolerWatchOptions) {
    this.#options = options;
  }

  /** Begins to try them, in the background. */
  start(): void {
    const { log } = this.#options;
    const onError = (err: unknown) => log.warn({ err }, 'could not try the connection poolers; will try again');
    this.#loop = repeatUntil(this.#stop.signal, () => this.#look(), LOOK_MS, onError);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  /** Why tenants' requests cannot go through a server's pooler, as of the last attempt; undefined if they can or none was made. */
  problemOf({ name, pooler }: PostgresServer): string | undefined {
    const trial = this.#trials.get(name);
    return trial?.pooler === pooler ? trial?.problem : undefined;
  }

  /**
   * Tries a server's pooler now. A process that only serves finds out no more than whether it answers.
   * @returns why tenants' requests cannot go through it; undefined if they can, or if the server has no pooler
   * @throws if the server itself cannot be asked, or another process tries its pooler for long
   */
  async find(server: PostgresServer): Promise<string | undefined> {
    return (await this.#try(server)).problem;
  }

  async #look(): Promise<void> {
    await Promise.all([...this.#options.servers.values()].map((server) => this.#lookAt(server)));
  }

  async #lookAt(server: PostgresServer): Promise<void> {
    const { name, pooler } = server;
    const last = this.#trials.get(name);
    const before = last?.pooler === pooler ? last : undefined;
    if (!pooler || server.isDown || (before && !isDue(before))) return;
    // It is logged elsewhere if the server does not answer. The next look comes soon.
    const found = await this.#try(server).catch(() => undefined);
    if (!found || this.#stop.signal.aborted) return;
    this.#trials.set(name, { ...found, pooler, endedAt: performance.now() });
    this.#tell(server, before, found);
  }

  async #try(server: PostgresServer): Promise<Found> {
    const { pooler } = server;
    if (!pooler) return {};
    const { signal } = this.#stop;
    const end = new AbortController();
    try {
      const ping = pingPooler(pooler, AbortSignal.any([signal, end.signal]));
      await withTimeLimit(ping, ANSWER_MS, `no answer within ${ANSWER_MS} ms`);
    } catch (error) {
      return { problem: messageOf(error), isDead: true };
    } finally {
      end.abort();
    }
    if (!server.canAdminister) return {};
    return (await tryPooler(server, { ...this.#options, waitMs: OTHERS_WAIT_MS, signal })) ?? {};
  }

  #tell({ name }: PostgresServer, before: Trial | undefined, { problem, isDead }: Found): void {
    const { log } = this.#options;
    if (problem === undefined) {
      if (before) log.info({ server: name }, "tenants' requests can go through the connection pooler now");
      return;
    }
    if (before && before.isDead === isDead) return;
    log.warn(
      { server: name, reason: problem },
      `tenants' requests cannot go through the connection pooler: correct its configuration, which docs/poolers.md describes, or its address (${howToSetPooler(name)}); tenantry doctor tries it again`,
    );
  }
}

function isDue({ problem, isDead, endedAt }: Trial): boolean {
  if (problem === undefined) return false;
  return isDead === true || elapsedSince(endedAt) >= WRONG_MS;
}

/** How an operator changes the address of a server's pooler. */
export function howToSetPooler(server: string): string {
  return server === FIRST_SERVER ? 'DATABASE_POOLER_URL' : `tenantry server update ${server} --pooler-url URL`;
}
