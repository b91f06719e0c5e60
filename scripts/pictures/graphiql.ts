import { setTimeout as sleep } from 'node:timers/promises';
import { openGraphiql } from '../../test/support/graphiql-page.ts';
import type { Demo } from './installation.ts';

const subscription = `# Replays the run from its first event,
# then follows it live.
subscription Progress($run: ID!) {
  migrationProgress(run: $run) {
    kind
    tenant { slug }
    migration
    message
    done
    total
    rate
    remainingSeconds
  }
}
`;

/** Starts a run, follows it in GraphiQL and takes a screenshot (PNG) in the middle of the run. */
export async function photographGraphiql(browser: string, { url, token, pause }: Demo): Promise<Buffer> {
  await using graphiql = await openGraphiql(browser, `${url}?query=${encodeURIComponent(subscription)}`);
  const { page } = graphiql;
  await page.setViewportSize({ width: 1100, height: 620 });
  const run = await startRun(url, token);
  await graphiql.setVariables(`{ "run": "${run}" }`);
  await page.keyboard.press('Home');
  await page.getByRole('button', { name: 'Execute query' }).click();
  while (!isMidRun(await graphiql.text('response'))) await sleep(20);
  using _paused = pause();
  return await page.screenshot({ timeout: 120_000 });
}

function isMidRun(response: string): boolean {
  if (response.includes('RUN_ENDED') || response.includes('"errors"')) {
    throw new Error(`There is no picture of the middle of the run:\n${response}`);
  }
  return response.includes('TENANT_SUCCEEDED') && /"done": 1\d\b/.test(response);
}

async function startRun(url: string, token: string): Promise<string> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query: 'mutation { runMigrations(input: { concurrency: 2 }) { id } }' }),
  });
  const text = await response.text();
  const [, id] = /"id":"([\w-]+)"/.exec(text) ?? [];
  if (id === undefined) throw new Error(`The run did not start: ${text}`);
  return id;
}
