import { randomInt } from 'node:crypto';
import type { Logger } from 'pino';
import { createMutex } from '../lib/mutex.ts';
import type { Pool, PoolClient } from './pool/pool.ts';
import { lockKind, noticeSilenceSql } from './sql/advisory-lock.ts';
import { quoteIdentifier } from './sql/quote.ts';

/** Called with the payload of a notification, or with undefined after a gap in which some may have been missed. */
export type NotificationHandler = (payload: string | undefined) => void;

/** Time between two heartbeats, in milliseconds; while the notification queue fills up, they come more often. */
const HEARTBEAT_MS = 2_000;
const CONGESTED_HEARTBEAT_MS = 1_000;
/** How long a heartbeat may take, in milliseconds; then the connection counts as lost. */
const SILENCE_MS = 5_000;
/**
 * How full the notification queue may be before readers stop relying on it: half of what makes writers leave notifications out
 * (`notify_if_room` in `auth`), so that no heartbeat comes too late. Filling another quarter of 8 GB takes longer than that.
 */
const CONGESTED_USAGE = 0.25;
/** From here on writers leave notifications out, and COMMIT would soon fail for those who do not. */
const ALARMING_USAGE = 0.5;
const MAX_RECONNECT_MS = 5_000;

/**
 * The one connection of this process that listens to `auth`. It is also this process's sign of life: it holds an advisory
 * lock on `instance`, which PostgreSQL drops when the process dies, however that happens.
 *
 * A notification is a hint to read the rows again, never the truth: while the connection is lost some are missed, and
 * every handler is called once, without payload, when it is back. While the server's notification queue fills up, which any
 * role can bring about, writers leave notifications out, and every handler is called again and again.
 * @see https://www.postgresql.org/docs/current/sql-notify.html
 */
export class Listener implements AsyncDisposable {
  /** The number of this process, which rows that it works on carry. */
  readonly instance: number = randomInt(1, 2 ** 31);
  readonly #pool: Pool;
  readonly #log: Logger;
  readonly #handlers = new Map<string, Set<NotificationHandler>>();
  #client: PoolClient | undefined;
  /** Of the client: what hangs in a lost one must not keep another waiting. */
  #exclusive = createMutex();
  /** Whether the client listens to all channels; false while it is being told them. */
  #listening = false;
  #heartbeat: NodeJS.Timeout | undefined;
  #reconnect: NodeJS.Timeout | undefined;
  #queueUsage = 0;
  #stopped = false;

  /** @param pool a lane to `auth` with room for one connection, which is held */
  constructor(pool: Pool, log: Logger) {
    this.#pool = pool;
    this.#log = log;
  }

  /** Whether notifications arrive at present. */
  get connected(): boolean {
    return this.#listening;
  }

  /** How full the server's notification queue was at the last heartbeat, from 0 to 1. */
  get queueUsage(): number {
    return this.#queueUsage;
  }

  /** How many handlers are registered for a channel; for health checks and tests. */
  handlerCount(channel: string): number {
    return this.#handlers.get(channel)?.size ?? 0;
  }

  /** Connects for the first time. Later losses are mended in the background. */
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

  /** Stops listening, and with it ends the sign of life. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#heartbeat);
    clearTimeout(this.#reconnect);
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
      await this.#ask(client, noticeSilenceSql('SET'));
      await this.#ask(client, `SELECT pg_advisory_lock_shared(${lockKind.alive}, ${this.instance})`);
      // A channel that is added meanwhile comes up in this loop too.
      for (const channel of this.#handlers.keys()) await this.#ask(client, listenSql(channel));
    } catch (error) {
      this.#client = undefined;
      client.release(true);
      throw error;
    }
    this.#listening = !this.#stopped;
  }

  #scheduleBeat(): void {
    if (this.#stopped) return;
    const waitMs = this.#queueUsage < CONGESTED_USAGE ? HEARTBEAT_MS : CONGESTED_HEARTBEAT_MS;
    this.#heartbeat = setTimeout(() => void this.#sendHeartbeat().finally(() => this.#scheduleBeat()), waitMs).unref();
  }

  /** A connection can be dead without a word, for instance behind a firewall that forgot it. */
  async #sendHeartbeat(): Promise<void> {
    const client = this.#client;
    if (!client) return;
    const silence = setTimeout(() => this.#lost(client), SILENCE_MS);
    try {
      const { rows } = await this.#exclusive(() =>
        client.query<{ usage: number }>('SELECT pg_notification_queue_usage() AS usage'),
      );
      this.#noteUsage(rows[0]?.usage ?? 0);
    } catch {
      this.#lost(client);
    } finally {
      clearTimeout(silence);
    }
  }

  /** When the queue has room again, what was left out last is still to be read: handlers are called once more. */
  #noteUsage(usage: number): void {
    const before = this.#queueUsage;
    this.#queueUsage = usage;
    const percent = Math.round(usage * 100);
    if (usage >= ALARMING_USAGE && before < ALARMING_USAGE)
      this.#log.error(
        { percent },
        "PostgreSQL's notification queue is more than half full, so changes are found by polling: a session that listens holds it up with an open transaction; tenantry doctor names the oldest",
      );
    if (usage < ALARMING_USAGE && before >= ALARMING_USAGE)
      this.#log.info({ percent }, "PostgreSQL's notification queue has room again");
    if (Math.max(usage, before) >= CONGESTED_USAGE) this.#tellAll();
  }

  /** Whoever notices first that a connection is lost has it replaced; what is told of an older one is no news. */
  #lost(client: PoolClient): void {
    if (client !== this.#client) return;
    client.release(true);
    // While it is told its channels, that fails now, and whoever tells it tries again.
    if (!this.#listening) return;
    this.#client = undefined;
    this.#listening = false;
    this.#log.warn('lost the connection that listens for notifications; connecting again');
    this.#retry(100);
  }

  #retry(delayMs: number): void {
    this.#reconnect = setTimeout(async () => {
      try {
        await this.#connect();
        if (!this.#listening) return;
        this.#tellAll();
      } catch {
        if (!this.#stopped) this.#retry(Math.min(delayMs * 2, MAX_RECONNECT_MS));
      }
    }, delayMs).unref();
  }

  #ask(client: PoolClient, sql: string): Promise<unknown> {
    return this.#exclusive(() => client.query(sql));
  }

  #tellAll(): void {
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
