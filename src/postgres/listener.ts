import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { createMutex } from '../lib/mutex.ts';
import { retryUntil } from '../lib/retry-loop.ts';
import { elapsedSince } from '../lib/time.ts';
import type { Pool, PoolClient } from './pool/pool.ts';
import { lockKind } from './sql/advisory-lock.ts';
import { quoteIdentifier } from './sql/quote.ts';

/** Called with the payload of a notification, or with undefined after a gap in which notifications may have been lost. */
export type NotificationHandler = (payload: string | undefined) => void;

/** The interval between heartbeats, in milliseconds. It is shorter while the notification queue fills up. */
const HEARTBEAT_MS = 2_000;
const CONGESTED_HEARTBEAT_MS = 1_000;
/** How long a heartbeat may take before the connection counts as lost, in milliseconds. */
const SILENCE_MS = 5_000;
/** How long processes may take to reconnect after PostgreSQL is back, in milliseconds. Attempts are at most 5 s apart. */
const RETURN_MS = 8_000;
/** The pause before reconnecting, in milliseconds. A server that restarts refuses connections at first. */
const RECONNECT_DELAY_MS = 100;
/**
 * The usage of the notification queue from which readers no longer rely on it. It is half of the usage from which writers
 * skip notifications (`notify_if_room` in `auth`): filling another quarter of 8 GB takes longer than a heartbeat interval.
 */
const CONGESTED_USAGE = 0.25;
/** The usage from which writers skip notifications. COMMIT would soon fail for those that do not. */
export const ALARMING_USAGE = 0.5;

/**
 * The connection of this process that listens for notifications in `auth`. It also holds the process's liveness lock: an
 * advisory lock on `instance`, which PostgreSQL releases when the process dies for any reason.
 *
 * A notification is only a hint to read the rows again. Notifications are lost while the connection is down, so every
 * handler is called once, without a payload, after reconnecting. Any role can fill up the server's notification queue;
 * writers then skip notifications, and every handler is called at each heartbeat.
 * @see https://www.postgresql.org/docs/current/sql-notify.html
 */
export class Listener implements AsyncDisposable {
  /** The number that identifies this process in the rows that it works on. */
  readonly instance: number = randomInt(1, 2 ** 31);
  readonly #pool: Pool;
  readonly #log: Logger;
  readonly #handlers = new Map<string, Set<NotificationHandler>>();
  #client: PoolClient | undefined;
  /** One mutex for each client, so that a statement that hangs in a lost client does not block the next one. */
  #exclusive = createMutex();
  /** Whether the client listens to all channels. False while the channels are being set up. */
  #listening = false;
  #heartbeat: NodeJS.Timeout | undefined;
  #queueUsage = 0;
  /** How often the liveness lock was acquired. */
  #lives = 0;
  #livesSince = 0;
  readonly #stopping = new AbortController();

  /**
   * @param pool a pool for `auth` with room for one connection, which stays acquired. Its sessions need the keepalives of
   *   `startupOptions`, without which PostgreSQL keeps the liveness lock of a lost machine for hours.
   */
  constructor(pool: Pool, log: Logger) {
    this.#pool = pool;
    this.#log = log;
  }

  /** Whether notifications are currently received. */
  get connected(): boolean {
    return this.#listening;
  }

  /**
   * The number of the current liveness lock; undefined while there is none. Other processes may have taken over what was claimed
   * under an earlier one.
   */
  get life(): number | undefined {
    return this.#listening ? this.#lives : undefined;
  }

  /**
   * Whether processes without a liveness lock are dead. When PostgreSQL has restarted or failed over, the living ones need a moment
   * to acquire theirs again.
   */
  get mayTakeOver(): boolean {
    return this.#listening && (this.#lives === 1 || elapsedSince(this.#livesSince) >= RETURN_MS);
  }

  /** The usage of the server's notification queue at the last heartbeat, from 0 to 1. */
  get queueUsage(): number {
    return this.#queueUsage;
  }

  /** Returns the number of handlers of a channel, for health checks and tests. */
  handlerCount(channel: string): number {
    return this.#handlers.get(channel)?.size ?? 0;
  }

  /** Connects for the first time. Later, lost connections are replaced in the background. */
  async start(): Promise<void> {
    await this.#connect();
    this.#scheduleBeat();
  }

  /** Calls `handler` for each notification on `channel`, until the returned function is called. */
  on(channel: string, handler: NotificationHandler): () => void {
    let handlers = this.#handlers.get(channel);
    if (!handlers) {
      handlers = new Set();
      this.#handlers.set(channel, handlers);
      const client = this.#client;
      if (client && this.#listening) this.#ask(client, listenSql(channel)).catch(() => this.#lost(client));
    }
    handlers.add(handler);
    return () => handlers.delete(handler);
  }

  /** Stops listening and releases the liveness lock. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#heartbeat);
    this.#listening = false;
    this.#client?.release(true);
    await this.#pool.end();
  }

  async #connect(): Promise<void> {
    const client = await this.#pool.connect();
    if (this.#stopped) return client.release(true);
    this.#client = client;
    this.#exclusive = createMutex();
    client.on('notification', ({ channel, payload }) => this.#dispatch(channel, payload));
    client.once('end', () => this.#lost(client));
    try {
      await this.#ask(client, `SELECT pg_advisory_lock_shared(${lockKind.alive}, ${this.instance})`);
      // This loop also visits channels that are added meanwhile.
      for (const channel of this.#handlers.keys()) await this.#ask(client, listenSql(channel));
    } catch (error) {
      this.#client = undefined;
      client.release(true);
      throw error;
    }
    this.#lives += 1;
    this.#livesSince = performance.now();
    this.#listening = !this.#stopped;
  }

  #scheduleBeat(): void {
    if (this.#stopped) return;
    const waitMs = this.#queueUsage < CONGESTED_USAGE ? HEARTBEAT_MS : CONGESTED_HEARTBEAT_MS;
    this.#heartbeat = setTimeout(() => void this.#sendHeartbeat().finally(() => this.#scheduleBeat()), waitMs).unref();
  }

  /** Detects connections that were lost silently, for example because a firewall dropped them. */
  async #sendHeartbeat(): Promise<void> {
    const client = this.#client;
    if (!client) return;
    const silence = setTimeout(() => this.#lost(client), SILENCE_MS);
    try {
      const { rows } = await this.#exclusive(() =>
        client.query<{ usage: number }>('SELECT pg_notification_queue_usage() AS usage'),
      );
      this.#recordUsage(rows[0]?.usage ?? 0);
    } catch {
      this.#lost(client);
    } finally {
      clearTimeout(silence);
    }
  }

  /** Calls all handlers while the queue is congested, and once more afterwards, to find what the last skipped ones announced. */
  #recordUsage(usage: number): void {
    const before = this.#queueUsage;
    this.#queueUsage = usage;
    const percent = Math.round(usage * 100);
    if (usage >= ALARMING_USAGE && before < ALARMING_USAGE)
      this.#log.error(
        { percent },
        "PostgreSQL's notification queue is more than half full, so changes are found by polling: a listening session with an open transaction blocks it; tenantry doctor names the oldest one",
      );
    if (usage < ALARMING_USAGE && before >= ALARMING_USAGE)
      this.#log.info({ percent }, "PostgreSQL's notification queue has room again");
    if (Math.max(usage, before) >= CONGESTED_USAGE) this.#dispatchAll();
  }

  /** Replaces a lost connection. Ignores reports about a client that was already replaced. */
  #lost(client: PoolClient): void {
    if (client !== this.#client) return;
    client.release(true);
    // While the channels are being set up, that fails now, and `#connect` is retried by its caller.
    if (!this.#listening) return;
    this.#client = undefined;
    this.#listening = false;
    this.#log.warn('lost the connection that listens for notifications; reconnecting');
    void this.#reconnect();
  }

  async #reconnect(): Promise<void> {
    await sleep(RECONNECT_DELAY_MS, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    if (this.#stopped) return;
    await retryUntil(
      this.#stopping.signal,
      () => this.#connect(),
      (err) => this.#log.debug({ err }, 'cannot listen for notifications yet'),
    );
    if (this.#listening) this.#dispatchAll();
  }

  get #stopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  #ask(client: PoolClient, sql: string): Promise<unknown> {
    return this.#exclusive(() => client.query(sql));
  }

  #dispatchAll(): void {
    for (const channel of this.#handlers.keys()) this.#dispatch(channel, undefined);
  }

  #dispatch(channel: string, payload: string | undefined): void {
    for (const handler of this.#handlers.get(channel) ?? []) {
      try {
        handler(payload);
      } catch (error) {
        this.#log.error({ err: error, channel }, 'a notification could not be handled');
      }
    }
  }
}

function listenSql(channel: string): string {
  return `LISTEN ${quoteIdentifier(channel)}`;
}
