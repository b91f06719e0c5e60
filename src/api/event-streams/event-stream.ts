import type { FetchAPI } from 'graphql-yoga';

/** How often a comment shows that the connection is alive, in milliseconds. */
const PING_MS = 12_000;
const ping = ':\n\n';

interface Chunk {
  readonly text: string;
  /** Called when the text has been sent, or never will be. */
  readonly sent: () => void;
}

/**
 * A stream of server-sent events that carries the results of any number of operations.
 * @see https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md#single-connection-mode
 */
export class EventStream {
  /** What cancels each operation under way, by its id. */
  readonly operations = new Map<string, AbortController>();
  readonly #ended: () => void;
  readonly #waiting: Chunk[] = [];
  #wake: () => void = () => undefined;
  #pings: NodeJS.Timeout | undefined;
  #isOver = false;

  /** @param ended called once, when the stream has ended for any reason */
  constructor(ended: () => void) {
    this.#ended = ended;
  }

  /** Whether a client has connected to it. */
  get isOpen(): boolean {
    return this.#pings !== undefined;
  }

  /** Begins to send. Must be called only once. */
  open({ ReadableStream, Response, TextEncoder }: FetchAPI): Response {
    const encoder = new TextEncoder();
    this.#pings = setInterval(() => {
      if (this.#waiting.length === 0) this.#send(ping);
    }, PING_MS).unref();
    // Some browsers report the connection only when the first bytes have arrived.
    this.#send(ping);
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        if (this.#waiting.length === 0 && !this.#isOver) await this.#somethingToSend();
        const chunk = this.#waiting.shift();
        if (!chunk) return controller.close();
        controller.enqueue(encoder.encode(chunk.text));
        chunk.sent();
      },
      cancel: () => this.end(),
    });
    return new Response(body, { headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' } });
  }

  /** Sends an event; resolves when it has left, so that operations wait for slow clients. */
  send(event: 'next' | 'complete', data: object): Promise<void> {
    return this.#send(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** Cancels the operations and closes the connection. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#pings);
    for (const operation of this.operations.values()) operation.abort();
    this.operations.clear();
    for (const { sent } of this.#waiting.splice(0)) sent();
    this.#wake();
    this.#ended();
  }

  #send(text: string): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    return new Promise((sent) => {
      this.#waiting.push({ text, sent });
      this.#wake();
    });
  }

  #somethingToSend(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
