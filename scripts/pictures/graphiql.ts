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
export async function photographGraphiql(browser: string, { url, token }: Demo): Promise<Buffer> {
  await using graphiql = await openGraphiql(browser, `${url}?query=${encodeURIComponent(subscription)}`);
  const { page } = graphiql;
  await page.setViewportSize({ width: 1100, height: 620 });
  const run = await startRun(url, token);
  await graphiql.setVariables(`{ "run": "${run}" }`);
  await page.getByRole('button', { name: 'Execute query' }).click();
  const isMidRun = `/"TENANT_SUCCEEDED"[^]*"done": 1\\d,[^]*"remainingSeconds": \\d/.test(
    document.querySelector('.graphiql-response')?.innerText.replaceAll('\\u00a0', ' ') ?? '')`;
  await page.waitForFunction(isMidRun, undefined, { polling: 20, timeout: 60_000 });
  return page.screenshot();
}

async function startRun(url: string, token: string): Promise<string> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query: 'mutation { runMigrations { id } }' }),
  });
  const text = await response.text();
  const [, id] = /"id":"([\w-]+)"/.exec(text) ?? [];
  if (id === undefined) throw new Error(`The run did not start: ${text}`);
  return id;
}
