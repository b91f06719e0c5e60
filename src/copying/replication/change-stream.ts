import type pg from 'pg';
import { quoteIdentifier, quoteLiteral } from '../../postgres/sql/quote.ts';
import { ByteReader } from './byte-reader.ts';
import type { DecodedMessage } from './changes.ts';
import { decodeMessage } from './decode.ts';
import { formatLsn, type Lsn } from './lsn.ts';

/** What PostgreSQL sends: decoded messages, and now and then the position up to which it has sent everything. */
export type StreamMessage = DecodedMessage | { readonly kind: 'position'; readonly lsn: Lsn };

/** Which changes to stream. */
export interface StreamOptions {
  /** The name of the replication slot and of its publication. */
  readonly slot: string;
  /** Transactions whose commit begins before it are left out. */
  readonly from: Lsn;
}

/** The part of node-postgres's connection that its types do not declare. */
interface CopyConnection extends pg.Connection {
  sendCopyFromChunk(chunk: Buffer): void;
}

/** How many bytes of messages wait for their reader before the stream stops receiving. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024;
/** How often the stream reports its position, in milliseconds. PostgreSQL ends a stream that is silent for a minute. */
const REPORT_MS = 5_000;
/** How long PostgreSQL may not answer a report before the connection counts as lost, in milliseconds. */
const SILENCE_MS = 30_000;
/** Microseconds since 2000 are PostgreSQL's time. */
const EPOCH_2000_MS = 946_684_800_000;

/**
 * Streams a slot's changes over a replication connection.
 * @see https://www.postgresql.org/docs/current/protocol-replication.html
 */
export class ChangeStream implements Disposable {
  readonly #connection: CopyConnection;
  readonly #reporting: NodeJS.Timeout;
  readonly #onData = ({ chunk }: { readonly chunk: Buffer }) => this.#receive(chunk);
  #waiting: StreamMessage[] = [];
  #waitingBytes = 0;
  #wake = Promise.withResolvers<void>();
  #failure: { readonly error: unknown } | undefined;
  #confirmed: Lsn;
  #heardAt = Date.now();
  #closed = false;

  /**
   * Starts to stream.
   * @param client a connection with `replication: 'database'`, which is of no other use afterwards
   */
  static start(client: pg.Client, { slot, from }: StreamOptions): ChangeStream {
    return new ChangeStream(
      client,
      `START_REPLICATION SLOT ${quoteIdentifier(slot)} LOGICAL ${formatLsn(from)}
       (proto_version '1', messages 'true', publication_names ${quoteLiteral(quoteIdentifier(slot))})`,
      from,
    );
  }

  private constructor(client: pg.Client, command: string, from: Lsn) {
    // The types of node-postgres leave out what sends data.
    this.#connection = client.connection as CopyConnection;
    this.#confirmed = from;
    this.#connection.on('copyData', this.#onData);
    client.query(command).then(
      () => this.#fail(new Error('Connection terminated: PostgreSQL has ended the stream of changes')),
      (error: unknown) => this.#fail(error),
    );
    this.#reporting = setInterval(() => this.#report(true), REPORT_MS).unref();
  }

  /**
   * Takes what has arrived since the last call, and waits if that is nothing.
   * @param signal ends the wait; nothing is returned then
   * @throws why the stream has ended
   */
  async take(signal: AbortSignal): Promise<readonly StreamMessage[]> {
    if (this.#waiting.length === 0 && !this.#failure && !signal.aborted) {
      const stop = () => this.#wake.resolve();
      signal.addEventListener('abort', stop);
      await this.#wake.promise;
      signal.removeEventListener('abort', stop);
    }
    if (this.#failure) throw this.#failure.error;
    const taken = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#wake = Promise.withResolvers();
    if (this.#connection.stream.isPaused()) this.#connection.stream.resume();
    return taken;
  }

  /** Allows PostgreSQL to forget everything before a position: all of it is stored durably elsewhere. */
  confirm(lsn: Lsn): void {
    if (lsn > this.#confirmed) this.#confirmed = lsn;
  }

  /** Stops receiving. The connection must be closed. */
  [Symbol.dispose](): void {
    this.#closed = true;
    clearInterval(this.#reporting);
    // The last confirmation makes the next start of this slot quicker.
    this.#report(false);
    this.#connection.off('copyData', this.#onData);
    // A paused connection would never see its end.
    this.#connection.stream.resume();
  }

  /** The chunk is part of a buffer that node-postgres uses again, so it is decoded at once. */
  #receive(chunk: Buffer): void {
    this.#heardAt = Date.now();
    try {
      const message = this.#read(chunk);
      if (!message || this.#failure) return;
      this.#waiting.push(message);
      this.#waitingBytes += chunk.length;
      if (this.#waitingBytes > MAX_WAITING_BYTES) this.#connection.stream.pause();
      this.#wake.resolve();
    } catch (error) {
      this.#fail(error);
    }
  }

  #read(chunk: Buffer): StreamMessage | undefined {
    const reader = new ByteReader(chunk);
    if (reader.letter() === 'k') {
      const lsn = reader.uint64();
      reader.uint64();
      if (reader.uint8() === 1) this.#report(false);
      return { kind: 'position', lsn };
    }
    // Positions of the message and of the log's end, and the time.
    for (let field = 0; field < 3; field += 1) reader.uint64();
    return decodeMessage(reader.rest());
  }

  #report(asksForAnswer: boolean): void {
    // A stream that has stopped receiving does not hear the answer.
    if (this.#connection.stream.isPaused()) this.#heardAt = Date.now();
    if (!this.#closed && Date.now() - this.#heardAt > SILENCE_MS) {
      this.#fail(new Error('Connection terminated: PostgreSQL has sent nothing for a while'));
    }
    const message = Buffer.alloc(34);
    message.write('r');
    for (const offset of [1, 9, 17]) message.writeBigUInt64BE(this.#confirmed, offset);
    message.writeBigInt64BE(BigInt(Date.now() - EPOCH_2000_MS) * 1_000n, 25);
    message.writeUInt8(asksForAnswer ? 1 : 0, 33);
    // It writes nothing once the connection is closed.
    this.#connection.sendCopyFromChunk(message);
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake.resolve();
  }
}
