import { randomInt } from 'node:crypto';
import type { Logger } from 'pino';
import { lockKind, noticeSilenceSql } from './advisory-lock.ts';
import { quoteIdentifier } from './identifiers.ts';
import { inTurn } from './in-turn.ts';
import type { Lane, LentClient } from './lane.ts';

/** Called with the payload of a notification, or with undefined after a gap in which some may have been missed. */
export type NotificationHandler = (payload: string | undefined) => void;

const HEARTBEAT_MS = 5_000;
const MAX_RECONNECT_MS = 5_000;

/**
 * The one connection of this process that listens to `auth`. It is also this process's sign of life: it holds an advisory
 * lock on `instance`, which PostgreSQL drops when the process dies, however that happens.
 *
 * A notification is a hint to read the rows again, never the truth: while the connection is lost some are missed, and
 * every handler is called once, without payload, when it is back.
 * @see https://www.postgresql.org/docs/current/sql-notify.html
 */
export class Listener implements AsyncDisposable {
  /** The number of this process, which rows that it works on carry. */
  readonly instance: number = randomInt(1, 2 ** 31);
  readonly #lane: Lane;
  readonly #log: Logger;
  readonly #handlers = new Map<string, Set<NotificationHandler>>();
  #client: LentClient | undefined;
  /** Of the client: what hangs in a lost one must not keep another waiting. */
  #take = inTurn();
  /** Whether the client listens to all channels; false while it is being told them. */
  #listening = false;
  #heartbeat: NodeJS.Timeout | undefined;
  #reconnect: NodeJS.Timeout | undefined;
  #stopped = false;

  /** @param lane a lane to `auth` with room for one connection, which is held */
  constructor(lane: Lane, log: Logger) {
    this.#lane = lane;
    this.#log = log;
  }

  /** Whether notifications arrive at present. */
  get connected(): boolean {
    return this.#listening;
  }

  /** How many handlers are registered for a channel; for health checks and tests. */
  handlerCount(channel: string): number {
    return this.#handlers.get(channel)?.size ?? 0;
  }

  /** Connects for the first time. Later losses are mended in the background. */
  async start(): Promise<void> {
    await this.#connect();
    this.#heartbeat = setInterval(() => void this.#beat(), HEARTBEAT_MS).unref();
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
    clearInterval(this.#heartbeat);
    clearTimeout(this.#reconnect);
    this.#listening = false;
    this.#client?.release(true);
    await this.#lane.end();
  }

  async #connect(): Promise<void> {
    const client = await this.#lane.connect();
    if (this.#stopped) return client.release(true);
    this.#client = client;
    this.#take = inTurn();
    client.on('notification', ({ channel, payload }) => this.#tell(channel, payload));
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

  /** A connection can be dead without a word, for instance behind a firewall that forgot it. */
  async #beat(): Promise<void> {
    const client = this.#client;
    if (!client) return;
    const silence = setTimeout(() => this.#lost(client), HEARTBEAT_MS);
    try {
      await this.#ask(client, 'SELECT 1');
    } catch {
      this.#lost(client);
    } finally {
      clearTimeout(silence);
    }
  }

  /** Whoever notices first that a connection is lost has it replaced; what is told of an older one is no news. */
  #lost(client: LentClient): void {
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
        for (const channel of this.#handlers.keys()) this.#tell(channel, undefined);
      } catch {
        if (!this.#stopped) this.#retry(Math.min(delayMs * 2, MAX_RECONNECT_MS));
      }
    }, delayMs).unref();
  }

  #ask(client: LentClient, sql: string): Promise<unknown> {
    return this.#take(() => client.query(sql));
  }

  #tell(channel: string, payload: string | undefined): void {
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
