import { connect, Socket } from 'node:net';
import pg from 'pg';
import { showsRow } from '../sql/error-codes.ts';

/** How long a connection may take to finish what it was asked when its user is done with it, in milliseconds. */
const SETTLE_MS = 1_000;
/**
 * How long a query may take to end after each request to cancel it, in milliseconds; then its connection is dropped. A request
 * that overtakes its query comes to nothing, and a query that was sent behind another one needs a request of its own.
 */
const CANCEL_WAITS_MS = [20, 80, 300, 600, 1_000];
const CANCEL_SOCKET_MS = 2_000;
/** How long PostgreSQL may take to say goodbye before the socket is dropped, in milliseconds. */
const GOODBYE_MS = 5_000;

/** The life of one connection to PostgreSQL: what node-postgres does not tell of it, or does in too much of a hurry. */
export class ServerConnection {
  readonly client: pg.Client;
  readonly #gone: Promise<void>;
  #broken = false;
  #open = false;
  #failed = false;

  /** @param onLost called when PostgreSQL, or the network, ends the connection, and when `end` has ended it */
  constructor(config: pg.ClientConfig, onLost: () => void) {
    this.client = new pg.Client(config);
    this.#gone = new Promise((resolve) => this.client.once('end', () => resolve()));
    const lost = () => {
      this.#broken = true;
      onLost();
    };
    // Without a listener, the error of a connection that PostgreSQL ends would end the process.
    this.client.on('error', lost);
    this.client.on('end', lost);
    this.client.connection.on('errorMessage', (error: pg.DatabaseError) => {
      this.#failed = true;
      // The row is personal data, password hashes included; whoever logs or records the error would repeat it.
      if (showsRow(error.code)) error.detail = undefined;
    });
  }

  /**
   * @param silenceMs see `LaneOptions`
   * @throws what node-postgres throws; nothing is left of the connection then
   */
  async open(silenceMs?: number): Promise<void> {
    try {
      await this.client.connect();
      // TCP alone would wait a quarter of an hour for a machine that is gone, and for ever for one that hangs.
      const { stream } = this.client.connection;
      if (silenceMs !== undefined && stream instanceof Socket) {
        stream.setTimeout(silenceMs, () => {
          if (this.isQuiet) return;
          this.#cancel();
          stream.destroy();
        });
      }
      this.#open = true;
    } catch (error) {
      await this.end();
      throw error;
    }
  }

  /** Whether the connection is lost. */
  get isBroken(): boolean {
    return this.#broken;
  }

  /**
   * Whether every query has been answered to its end. Errors reach their callers a little earlier: PostgreSQL sends them
   * before it tells whether a transaction is open now.
   */
  get isQuiet(): boolean {
    // node-postgres has no public name for this. Without the field nothing would be quiet, and no connection kept.
    return Reflect.get(this.client, 'readyForQuery') === true;
  }

  /** Whether PostgreSQL has refused anything that it was asked. */
  get hasFailed(): boolean {
    return this.#failed;
  }

  /** Whether somebody else can use the connection as if it were new, session settings aside. */
  get isReusable(): boolean {
    return !this.#broken && this.isQuiet && this.client.getTransactionStatus() === 'I';
  }

  /** Waits, not for long, until the connection is quiet or lost. */
  settle(): Promise<void> {
    return this.#quiet(SETTLE_MS);
  }

  /**
   * Ends the connection, and resolves when PostgreSQL has let go of it, which is when it has left `pg_stat_activity`; if the
   * server does not answer, some seconds later. A query that is running is cancelled: node-postgres alone would drop the
   * socket, at which PostgreSQL looks only when the query is done. It never rejects.
   */
  async end(): Promise<void> {
    for (const waitMs of CANCEL_WAITS_MS) {
      if (!this.#open || this.#broken || this.isQuiet) break;
      this.#cancel();
      await this.#quiet(waitMs);
    }
    // When PostgreSQL has said that it ends the connection, node-postgres would not wait for it.
    if (!this.#broken) this.client.end().catch(() => undefined);
    await new Promise<void>((resolve) => {
      const late = setTimeout(() => {
        this.client.connection.stream.destroy();
        resolve();
      }, GOODBYE_MS);
      this.#gone.then(() => {
        clearTimeout(late);
        resolve();
      });
    });
  }

  async #quiet(timeoutMs: number): Promise<void> {
    const { client } = this;
    if (this.isQuiet || this.#broken) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        client.off('drain', done);
        client.off('end', done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      client.on('drain', done);
      client.on('end', done);
    });
  }

  /**
   * Asks PostgreSQL to cancel what the connection does. The request takes no backend, and needs neither password nor TLS.
   * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
   */
  #cancel(): void {
    const { host, port } = this.client;
    const request = Buffer.alloc(16);
    request.writeInt32BE(request.length, 0);
    request.writeInt32BE(80877102, 4);
    // PostgreSQL tells both when the connection begins; the types of node-postgres leave them out.
    request.writeInt32BE(Number(Reflect.get(this.client, 'processID')), 8);
    request.writeInt32BE(Number(Reflect.get(this.client, 'secretKey')), 12);
    const socket = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
    socket.setTimeout(CANCEL_SOCKET_MS, () => socket.destroy());
    // What cannot be cancelled ends by itself.
    socket.on('error', () => undefined);
    socket.end(request);
  }
}
