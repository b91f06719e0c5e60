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
  readonly #count: (characters: number) => void;
  readonly #waiting: Chunk[] = [];
  #waitingCharacters = 0;
  #wake: () => void = () => undefined;
  #pings: NodeJS.Timeout | undefined;
  #isOver = false;

  /**
   * @param ended called once, when the stream has ended for any reason
   * @param count called with the change of {@link waitingCharacters}
   */
  constructor(ended: () => void, count: (characters: number) => void) {
    this.#ended = ended;
    this.#count = count;
  }

  /** The size of the results that the client has not read yet, in characters. */
  get waitingCharacters(): number {
    return this.#waitingCharacters;
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
        this.#add(-chunk.text.length);
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
    this.#add(-this.#waitingCharacters);
    this.#wake();
    this.#ended();
  }

  #send(text: string): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    return new Promise((sent) => {
      this.#waiting.push({ text, sent });
      this.#add(text.length);
      this.#wake();
    });
  }

  #add(characters: number): void {
    this.#waitingCharacters += characters;
    this.#count(characters);
  }

  #somethingToSend(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
