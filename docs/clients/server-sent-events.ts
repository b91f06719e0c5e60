import { type Client, createClient } from 'graphql-sse';
import type { Session } from './session.ts';

export function createEventsClient(session: Session): Client {
  return createClient({ url: session.url, fetchFn: session.fetch });
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
