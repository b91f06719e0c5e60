import type { Page, Request, Route } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findBrowser } from '../../support/browser.ts';
import { type ConsolePage, openConsolePage } from '../../support/console-page.ts';
import { Fleet } from '../../support/fleet.ts';

const browser = findBrowser();

describe.skipIf(!browser)('the console without its server', () => {
  const stack = new AsyncDisposableStack();
  let fleet: Fleet;
  let shown: ConsolePage;
  let page: Page;

  beforeAll(async () => {
    // Without workers, a run stays as it is.
    fleet = stack.use(await Fleet.start({ WORKER: 'off' }));
    await fleet.createTenants({ acme: 'SCHEMA' });
    await fleet.migrations.add('20270101000000_tags', 'CREATE TABLE tags (name text)');
    shown = stack.use(await openConsolePage(browser ?? '', fleet.http.url));
    ({ page } = shown);
    await shown.useToken(fleet.app.admin.authorization?.replace('Bearer ', '') ?? '');
  });
  afterAll(() => stack.disposeAsync());

  /** Answers the next request for an operation in the server's place. */
  const instead = async (operation: string, answer: (route: Route) => Promise<void>) => {
    let isDone = false;
    await page.route('**/graphql', (route) => {
      const { query = '' } = route.request().postDataJSON() ?? {};
      if (isDone || !query.includes(operation)) return route.continue();
      isDone = true;
      return answer(route);
    });
  };

  it('asks again after the answer of a proxy', async () => {
    await instead('query Users', (route) =>
      route.fulfill({ status: 502, contentType: 'text/html', body: '<h1>Bad</h1>' }),
    );
    await shown.visit('users');
    await page.getByText('The server has not answered. The page tries again by itself.').waitFor();
    await page.getByRole('alert').waitFor({ state: 'detached' });
    await page.getByRole('table').or(page.getByText('No user fits.')).first().waitFor();
  });

  it('follows a run again after its events have ended with a server', async () => {
    const run = await fleet.startRun();
    await instead('subscription RunProgress', (route) =>
      route.fulfill({ contentType: 'text/event-stream', body: 'event: complete\ndata:\n\n' }),
    );
    await shown.visit(`runs/${run}`);
    await page.getByText(/^The newest \d+ events?$/).waitFor();
    await expect(
      page.locator('.heading [data-status="PENDING"], .heading [data-status="RUNNING"]').count(),
    ).resolves.toBe(1);
  });

  it('keeps no connection for events while nobody sees the page', async () => {
    const turn = (state: string) =>
      page.evaluate(`Object.defineProperty(document, 'visibilityState', { value: '${state}', configurable: true });
        document.dispatchEvent(new Event('visibilitychange'))`);
    const isEvents = (request: Request) => (request.postDataJSON()?.query ?? '').includes('subscription RunProgress');
    const ended = page.waitForEvent('requestfailed', isEvents);
    await turn('hidden');
    await ended;
    const again = page.waitForRequest(isEvents);
    await turn('visible');
    await again;
  });

  it('does not promise to repeat a change', async () => {
    await instead('mutation CancelRun', (route) => route.abort());
    await page.getByRole('button', { name: 'Cancel …' }).click();
    await page.getByRole('button', { name: 'Cancel the run' }).click();
    await page.getByText('Look whether the change was made before you try again.').waitFor();
    await page.getByRole('button', { name: 'Cancel the run' }).click();
    await page.locator('.heading [data-status="CANCELLED"]').waitFor();
  });
});
