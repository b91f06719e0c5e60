import type { GraphiQLOptions } from 'graphql-yoga';

/** The options of the page. */
export interface Page extends GraphiQLOptions {
  /** The tokens in the headers of its tabs, always in the same order. */
  readonly tokens: readonly string[];
}

interface GraphiqlParams {
  readonly headers?: Readonly<Record<string, string>>;
}

interface Tab {
  readonly query?: string | null;
  readonly variables?: string | null;
  readonly headers?: string | null;
}

declare const location: { readonly href: string; readonly pathname: string };
declare const YogaGraphiQL: { renderYogaGraphiQL(root: unknown, options: object): void };

/** The functions of this file as JavaScript. They run in the browser, so they use only each other. */
export const scripts = [openGraphiql, renewTokens, lastTab, send, follow, readEvents, newestOf].map(String).join('\n');

/** Starts GraphiQL in an element of the page. */
export function openGraphiql(root: unknown, { tokens, ...options }: Page): void {
  if (tokens.length > 0) renewTokens(tokens);
  YogaGraphiQL.renderYogaGraphiQL(root, { ...options, ...lastTab(), fetcher: send });
}

/** Replaces the tokens that earlier pages have left in the browser's storage, because they expire. */
function renewTokens(tokens: readonly string[]): void {
  const key = 'tenantry:tokens';
  const earlier: readonly (readonly string[])[] = JSON.parse(localStorage.getItem(key) ?? '[]');
  for (const name of Object.keys(localStorage).filter((each) => each.startsWith('graphiql:'))) {
    let text = localStorage.getItem(name) ?? '';
    for (const [index, token] of tokens.entries()) {
      for (const { [index]: old } of earlier) if (old) text = text.replaceAll(old, token);
    }
    localStorage.setItem(name, text);
  }
  // Pages that are still open can store older ones again.
  localStorage.setItem(key, JSON.stringify([tokens, ...earlier].slice(0, 10)));
}

/** GraphiQL opens one more tab unless it is given the exact contents of the last one. */
function lastTab(): object {
  const { tabs = [], activeTabIndex = 0 }: { tabs?: readonly Tab[]; activeTabIndex?: number } = JSON.parse(
    localStorage.getItem('graphiql:tabState') ?? '{}',
  );
  const tab = tabs[activeTabIndex];
  if (!tab) return {};
  // GraphiQL keeps an edited document in the address.
  const isInAddress = Boolean(new URL(location.href).searchParams.get('query'));
  return {
    ...(!isInAddress && { query: tab.query ?? undefined }),
    ...(tab.variables && { variables: tab.variables }),
    ...(tab.headers && { initialHeaders: tab.headers }),
  };
}

/** Sends an operation. The events of a subscription become a list, the newest first. */
async function send(operation: object, { headers = {} }: GraphiqlParams = {}): Promise<unknown> {
  const stop = new AbortController();
  const response = await fetch(location.pathname, {
    method: 'POST',
    headers: {
      accept: 'application/graphql-response+json, application/json, text/event-stream',
      'content-type': 'application/json',
      ...headers,
    },
    body: JSON.stringify(operation),
    signal: stop.signal,
  });
  const type = response.headers.get('content-type') ?? '';
  if (response.body && type.startsWith('text/event-stream')) return follow(response.body, stop);
  const text = await response.text();
  if (!type.includes('json')) throw new Error(`The server answered with status ${response.status}: ${text}`);
  return JSON.parse(text);
}

/** Shows the newest events of a stream, several times a second at most. */
function follow(body: ReadableStream<Uint8Array>, stop: AbortController): AsyncIterable<object> {
  const list = newestOf(100, 200_000);
  let isOver = false;
  let wake = () => {};
  const reading = readEvents(body, (event) => {
    list.add(event);
    wake();
  })
    .catch((error: unknown) => {
      if (!stop.signal.aborted) list.add({ errors: [{ message: `The connection was lost: ${error}` }] });
    })
    .finally(() => {
      isOver = true;
      wake();
    });
  async function* lists() {
    let shown = -1;
    while (!isOver || shown < list.received()) {
      if (shown < list.received()) {
        shown = list.received();
        yield list.value();
        await Promise.race([reading, new Promise((resolve) => setTimeout(resolve, 100))]);
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  }
  const each = lists();
  return {
    [Symbol.asyncIterator]: () => ({
      next: () => each.next(),
      // The button that stops a subscription. The generator cannot return while it waits for an event.
      return: async () => {
        stop.abort();
        return { done: true, value: undefined };
      },
    }),
  };
}

/** Calls `add` with each event of a stream of server-sent events. */
async function readEvents(body: ReadableStream<Uint8Array>, add: (event: object) => void): Promise<void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + decoder.decode(value, { stream: true })).split('\n\n');
    rest = parts.pop() ?? '';
    for (const part of parts) {
      const data = /^data: ?(.+)$/m.exec(part)?.[1];
      if (data) add(JSON.parse(data));
    }
  }
}

/** Keeps the newest events up to a number of events and of characters. */
function newestOf(maxEvents: number, maxCharacters: number) {
  const events: { readonly event: object; readonly size: number }[] = [];
  let received = 0;
  let characters = 0;
  return {
    received: () => received,
    add(event: object): void {
      const { length: size } = JSON.stringify(event);
      events.unshift({ event, size });
      received += 1;
      characters += size;
      while (events.length > maxEvents || (events.length > 1 && characters > maxCharacters)) {
        characters -= events.pop()?.size ?? 0;
      }
    },
    value: () => ({
      received,
      ...(events.length < received && { notShown: received - events.length }),
      newestFirst: events.map(({ event }) => event),
    }),
  };
}
