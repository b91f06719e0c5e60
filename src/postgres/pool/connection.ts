import { connect, Socket } from 'node:net';
import pg from 'pg';
import { showsRow, sqlState } from '../sql/error-codes.ts';
import { isPooled } from './pooled-clients.ts';
import { limitSilence, type WatchedSocket, watchReachability } from './watch-silence.ts';

/** How long a released connection may take to finish its query, in milliseconds. */
const SETTLE_MS = 1_000;
/**
 * How long a query may take to end after each cancel request, in milliseconds. After the last one, the connection is
 * dropped. Several requests are needed: one that overtakes its query has no effect, and a queued query needs its own.
 */
const CANCEL_WAITS_MS = [20, 80, 300, 600, 1_000];
const CANCEL_SOCKET_MS = 2_000;
/** How long PostgreSQL may take to close the connection before the socket is destroyed, in milliseconds. */
const CLOSE_MS = 5_000;

/** @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-ASYNC */
interface ParameterStatus {
  readonly parameterName: string;
  readonly parameterValue: string;
}

/** One connection to PostgreSQL, with the state that node-postgres does not expose, and a graceful end. */
export class ServerConnection {
  readonly client: pg.Client;
  readonly #gone: Promise<void>;
  #broken = false;
  #open = false;
  #failed = false;
  #isStandby = false;
  #isReadOnly = false;
  /** The address that its name led to. The name may lead to another machine later, such as after a failover. */
  #host: string | undefined;

  /**
   * @param onLost called when PostgreSQL or the network closes the connection, and when `end` has closed it
   * @param onRefusedChange called when a server that only reads has refused a change
   */
  constructor(config: pg.ClientConfig, onLost: () => void, onRefusedChange: () => void = () => undefined) {
    this.client = new pg.Client(config);
    this.#gone = new Promise((resolve) => this.client.once('end', () => resolve()));
    const lost = () => {
      this.#broken = true;
      onLost();
    };
    // Without a listener, the error of a closed connection would end the process.
    this.client.on('error', lost);
    this.client.on('end', lost);
    // PostgreSQL reports both when the connection is opened, and when they change.
    this.client.connection.on('parameterStatus', ({ parameterName, parameterValue }: ParameterStatus) => {
      if (parameterName === 'in_hot_standby') this.#isStandby = parameterValue === 'on';
      if (parameterName === 'default_transaction_read_only') this.#isReadOnly = parameterValue === 'on';
    });
    this.client.connection.on('errorMessage', (error: pg.DatabaseError) => {
      this.#failed = true;
      // A transaction that was begun as READ ONLY says nothing about the server.
      if (error.code === sqlState.readOnlySqlTransaction && (this.#isStandby || this.#isReadOnly)) onRefusedChange();
      // The row may contain personal data and password hashes, which would end up in logs and records of the error.
      if (showsRow(error.code)) error.detail = undefined;
    });
  }

  /**
   * Opens the connection.
   * @param silenceMs see `PoolOptions`
   * @throws the error of node-postgres; the connection is closed then
   */
  async open(silenceMs?: number): Promise<void> {
    try {
      await this.client.connect();
      // TCP alone would wait 15 minutes for a machine that is gone, and forever for one that hangs.
      const { stream } = this.client.connection;
      if (stream instanceof Socket) {
        this.#host = stream.remoteAddress;
        const watched = { stream, place: this.#place, isQuiet: () => this.isQuiet };
        if (silenceMs === undefined) watchReachability(watched);
        else limitSilence(watched, silenceMs, () => this.#cancel());
      }
      this.#open = true;
    } catch (error) {
      await this.end();
      throw error;
    }
  }

  /** Whether the connection is lost or closed. */
  get isBroken(): boolean {
    return this.#broken;
  }

  /** Whether the server is a standby. It may be promoted while the connection is open. */
  get isStandby(): boolean {
    return this.#isStandby;
  }

  /** Whether transactions of this session only read by default. */
  get isReadOnly(): boolean {
    return this.#isReadOnly;
  }

  /**
   * Whether no query is running. A failed query's caller gets the error slightly before this becomes true, because
   * PostgreSQL sends the error before the transaction status.
   */
  get isQuiet(): boolean {
    // node-postgres does not expose this publicly. If the field disappeared, no connection would be reused.
    return Reflect.get(this.client, 'readyForQuery') === true;
  }

  /** Whether any statement has failed. */
  get hasFailed(): boolean {
    return this.#failed;
  }

  /** Whether the connection can be reused like a new one, apart from session settings. */
  get isReusable(): boolean {
    return !this.#broken && this.isQuiet && this.client.getTransactionStatus() === 'I';
  }

  /** Waits briefly until the connection is quiet or lost. */
  settle(): Promise<void> {
    return this.#quiet(SETTLE_MS);
  }

  /**
   * Closes the connection. Resolves when PostgreSQL has closed its side and removed it from `pg_stat_activity`, or after
   * some seconds if the server does not answer. A running query is cancelled: node-postgres alone would drop the socket,
   * which PostgreSQL notices only after the query. Never rejects.
   *
   * Behind a pooler, the socket is dropped instead. The pooler then closes its own connection, and PostgreSQL aborts the query within
   * two seconds (`client_connection_check_interval`). Requests to cancel are not sent there: PgBouncer before 1.18 may cancel the query of
   * another client, and before 1.25 it may end itself.
   * @see https://github.com/pgbouncer/pgbouncer/blob/master/NEWS.md
   */
  async end(): Promise<void> {
    if (isPooled(this.client) && this.#open && !this.isQuiet) this.client.connection.stream.destroy();
    for (const waitMs of CANCEL_WAITS_MS) {
      if (!this.#open || this.#broken || this.isQuiet || isPooled(this.client)) break;
      this.#cancel();
      await this.#quiet(waitMs);
    }
    // If PostgreSQL has already announced the end of the connection, node-postgres would not wait for it.
    if (!this.#broken) this.client.end().catch(() => undefined);
    await new Promise<void>((resolve) => {
      const late = setTimeout(() => {
        this.client.connection.stream.destroy();
        resolve();
      }, CLOSE_MS);
      this.#gone.then(() => {
        clearTimeout(late);
        resolve();
      });
    });
  }

  get #place(): WatchedSocket['place'] {
    const { host, port } = this.client;
    return { host: this.#host ?? host, port };
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
   * Asks PostgreSQL to cancel the running query. The request uses no backend and needs neither password nor TLS.
   * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
   */
  #cancel(): void {
    if (isPooled(this.client)) return;
    const { host, port } = this.#place;
    const request = Buffer.alloc(16);
    request.writeInt32BE(request.length, 0);
    request.writeInt32BE(80877102, 4);
    // PostgreSQL sends both at the start of the connection. The types of node-postgres lack them.
    request.writeInt32BE(Number(Reflect.get(this.client, 'processID')), 8);
    request.writeInt32BE(Number(Reflect.get(this.client, 'secretKey')), 12);
    const socket = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
    socket.setTimeout(CANCEL_SOCKET_MS, () => socket.destroy());
    // A query that cannot be cancelled ends by itself.
    socket.on('error', () => undefined);
    socket.end(request);
  }
}
