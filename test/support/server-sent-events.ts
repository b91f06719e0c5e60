/** One event of a stream in the format `text/event-stream`. */
export interface ServerSentEvent {
  /** `message` if the stream does not name it. */
  readonly event: string;
  readonly data: string;
}

/**
 * The events of a response, as they arrive; comments, which keep the connection alive, are left out.
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export async function* readServerSentEvents(response: Response): AsyncGenerator<ServerSentEvent, void, undefined> {
  const type = response.headers.get('content-type');
  if (!type?.startsWith('text/event-stream') || !response.body) {
    throw new Error(`Expected text/event-stream, got ${response.status} ${type}: ${await response.text()}`);
  }
  let rest = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const blocks = `${rest}${chunk}`.split(/\r?\n\r?\n/);
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const event = parse(block);
      if (event) yield event;
    }
  }
}

function parse(block: string): ServerSentEvent | undefined {
  const fields = block.split(/\r?\n/).map((line) => /^([^:]*):? ?(.*)$/.exec(line) ?? []);
  const valuesOf = (name: string) => fields.filter((field) => field[1] === name).map((field) => field[2] ?? '');
  const [data, event] = [valuesOf('data'), valuesOf('event').at(-1)];
  if (data.length === 0 && event === undefined) return undefined;
  return { event: event ?? 'message', data: data.join('\n') };
}
