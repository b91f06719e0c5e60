import { startRelay, type Target } from './relay.ts';

/** What one client sent before it waited for PostgreSQL: one round trip. */
export interface RoundTrip {
  readonly database: string;
  /** The statements, in order. A prepared one is shown by its name. */
  readonly statements: readonly string[];
}

/** A way to PostgreSQL that counts the round trips through it. */
export interface CountingProxy extends AsyncDisposable {
  readonly port: number;
  /** How many connections have been opened through it. */
  readonly connections: number;
  /**
   * Runs work several times and returns the round trips of the time with the fewest, in order. What else goes on meanwhile can
   * only add some. Opening a connection is none, and neither is what a connection does that has sent LISTEN.
   */
  tripsOf(work: () => Promise<unknown>): Promise<RoundTrip[]>;
}

/** How often work is done to count its round trips. The first time may prepare something, such as a statement. */
const TIMES = 5;

/**
 * Listens on a free port. A round trip begins when a client asks while PostgreSQL owes it no answer, and ends when PostgreSQL is
 * ready for the next query. What a client sends meanwhile belongs to the same round trip.
 * @param delayMs how long it holds back what clients send
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
export async function startCountingProxy(target: Target, delayMs = 0): Promise<CountingProxy> {
  const trips: RoundTrip[] = [];
  let connections = 0;
  const relay = await startRelay(target, (client, upstream) => {
    connections += 1;
    // The parameters of the connection, which PostgreSQL answers with the first ReadyForQuery.
    let owed = 1;
    let database = '';
    let isOpening = true;
    let isListening = false;
    let trip: string[] | undefined;
    const sent = messages(({ type, body }) => {
      if (type === '') database = textsIn(body)[textsIn(body).indexOf('database') + 1] ?? '';
      const statement = statementOf(type, body);
      if (statement === undefined && type !== 'S') return;
      if (statement?.startsWith('LISTEN')) isListening = true;
      if (owed === 0 && trip === undefined) {
        trip = [];
        if (!isListening) trips.push({ database, statements: trip });
      }
      if (statement !== undefined && !isOpening) trip?.push(statement);
      if (type === 'Q' || type === 'S') owed += 1;
    }, true);
    const received = messages(({ type }) => {
      if (type !== 'Z') return;
      isOpening = false;
      owed -= 1;
      if (owed === 0) trip = undefined;
    });
    client.on('data', (bytes) => {
      sent(bytes);
      if (delayMs === 0) upstream.write(bytes);
      // Timers of the same length end in the order in which they began.
      else setTimeout(() => upstream.write(bytes), delayMs);
    });
    upstream.on('data', (bytes) => {
      received(bytes);
      client.write(bytes);
    });
  });
  return {
    port: relay.port,
    get connections() {
      return connections;
    },
    async tripsOf(work) {
      const found: RoundTrip[][] = [];
      for (let time = 0; time < TIMES; time += 1) {
        const before = trips.length;
        await work();
        found.push(trips.slice(before));
      }
      return found.toSorted((a, b) => a.length - b.length)[0] ?? [];
    },
    [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose](),
  };
}

interface Message {
  /** Empty for the parameters of a connection. */
  readonly type: string;
  readonly body: Buffer;
}

/** Returns a function that takes the bytes of one direction as they come, and calls back for each message. */
function messages(onMessage: (message: Message) => void, beginsWithParameters = false): (bytes: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  let typeBytes = beginsWithParameters ? 0 : 1;
  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    for (;;) {
      const length = rest.length < typeBytes + 4 ? Number.POSITIVE_INFINITY : typeBytes + rest.readInt32BE(typeBytes);
      if (rest.length < length) return;
      const body = rest.subarray(typeBytes + 4, length);
      onMessage({ type: rest.toString('latin1', 0, typeBytes), body });
      rest = rest.subarray(length);
      typeBytes = 1;
    }
  };
}

/** The text of a statement in a Query or Parse message; of a Bind message the name of what was prepared earlier. */
function statementOf(type: string, body: Buffer): string | undefined {
  if (type === 'Q') return textsIn(body)[0];
  const [, second] = type === 'P' || type === 'B' ? textsIn(body) : [];
  if (type === 'P') return second;
  return type === 'B' && second !== '' ? `prepared ${second}` : undefined;
}

function textsIn(body: Buffer): string[] {
  return body.toString().split('\0');
}
