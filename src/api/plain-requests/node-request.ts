import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HeaderReader } from '../request-log.ts';

/** What the plugins and the context read of a request, without the cost of a `Request`. */
export class NodeRequest {
  readonly method = 'POST';
  readonly headers: HeaderReader;
  /** Aborted when the client disconnects before the response is complete. */
  readonly signal: AbortSignal;

  constructor({ headers }: IncomingMessage, response: ServerResponse) {
    // Node has joined the values of repeated headers, except for set-cookie, which no client sends.
    this.headers = { get: (name) => headers[name]?.toString() ?? null };
    const gone = new AbortController();
    this.signal = gone.signal;
    response.once('close', () => {
      if (!response.writableFinished) gone.abort();
    });
  }
}

/**
 * Reads the body of a request that has the header content-length, to which Node holds the client.
 * @returns undefined if the client has left
 */
export function readText(request: IncomingMessage): Promise<string | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.once('end', () => {
      const [first = Buffer.alloc(0), ...others] = chunks;
      resolve((others.length > 0 ? Buffer.concat(chunks) : first).toString('utf8'));
    });
    request.once('error', () => resolve(undefined));
  });
}

/** Makes the text of a body that was read available to those who read it after us. */
export function withBody(request: IncomingMessage, text: string): IncomingMessage {
  // Yoga reads the body from here if there is one, as body parsers of other frameworks leave it. It takes the text only
  // in pieces: of a string it would list every index.
  const body = {
    text,
    async *[Symbol.asyncIterator]() {
      yield Buffer.from(text);
    },
  };
  return Object.assign(request, { body });
}
