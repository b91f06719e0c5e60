import { type Client, createClient } from 'graphql-ws';
import type { Session } from './session.ts';

/** @param url the API's address with `ws:` or `wss:` */
export function createWebSocketClient(session: Session, url: string): Client {
  let isRefused = false;
  return createClient({
    url,
    connectionParams: async () => {
      if (isRefused) await session.refresh();
      return { authorization: `Bearer ${session.token}` };
    },
    shouldRetry: () => true,
    on: {
      // 4403: the token is invalid or has expired. The next connection has a new one, and subscriptions continue.
      closed: (event) => {
        isRefused = event instanceof Object && 'code' in event && event.code === 4403;
      },
    },
  });
}

/** Calls `show` for each event of a run, until the run ends. */
export async function watchRun(client: Client, run: string, show: (kind: string) => void): Promise<void> {
  const query = 'subscription Progress($run: ID!) { migrationProgress(run: $run) { kind done total } }';
  const events = client.iterate<{ migrationProgress: { kind: string } }>({ query, variables: { run } });
  for await (const { data, errors } of events) {
    if (errors) throw new Error(errors[0]?.message);
    if (data) show(data.migrationProgress.kind);
  }
}
