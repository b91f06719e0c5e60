import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findBrowser } from '../../support/browser.ts';
import { type ConsolePage, openConsolePage } from '../../support/console-page.ts';
import { Fleet } from '../../support/fleet.ts';
import { hasPgBouncer, type PgBouncer, startPgBouncer, whyNoPgBouncer } from '../../support/start-pgbouncer.ts';
import { startInstalledPostgres, type TestPostgres } from '../../support/start-postgres.ts';

const browser = findBrowser();

describe.skipIf(!browser || !hasPgBouncer)(`the page Servers of the console${whyNoPgBouncer}`, () => {
  const stack = new AsyncDisposableStack();
  let postgres: TestPostgres;
  let pooler: PgBouncer;
  let fleet: Fleet;
  let shown: ConsolePage;

  beforeAll(async () => {
    postgres = stack.use(await startInstalledPostgres());
    pooler = stack.use(await startPgBouncer(postgres));
    fleet = stack.use(await Fleet.start({ ...postgres.env, DATABASE_POOLER_URL: pooler.url }));
    shown = stack.use(await openConsolePage(browser ?? '', fleet.http.url));
    await shown.useToken(fleet.app.admin.authorization?.replace('Bearer ', '') ?? '');
  });
  afterAll(() => stack.disposeAsync());

  it('shows the pooler of a server, and whether it answers', async () => {
    const { page } = shown;
    await shown.visit('servers');
    const cell = page.getByRole('table', { name: 'PostgreSQL servers' }).getByRole('cell').nth(1);
    await cell.locator('[data-status="OK"]').waitFor();
    expect(await cell.innerText()).toContain(`127.0.0.1:${pooler.port}`);
    // It is no database.
    const databases = page.getByRole('table', { name: 'System databases' });
    expect(await databases.innerText()).not.toContain('pooler');
    await pooler.stop();
    await cell.locator('[data-status="DOWN"]').waitFor();
    expect(await cell.innerText()).toContain('unreachable');
    await page.locator('.heading [data-status="DEGRADED"]').waitFor();
    await shown.expectAccessible();
    await pooler.start();
    await cell.locator('[data-status="OK"]').waitFor();
    expect(await page.getByText('Nodes of Citus').count()).toBe(0);
    shown.expectQuiet();
  });

  it('shows the nodes of a Citus cluster, with their tenants', async () => {
    const { page } = shown;
    // Citus is on few machines, so the answer gets what the API says of a cluster.
    const nodes = [
      { address: 'worker-1.internal:5432', isActive: true, tenantCount: 1234 },
      { address: 'worker-2.internal:5432', isActive: false, tenantCount: 0 },
    ];
    await page.route('**/graphql', async (route) => {
      const { query = '' } = route.request().postDataJSON() ?? {};
      if (!query.includes('query ServerNodes')) return route.continue();
      const response = await route.fetch();
      const { data } = await response.json();
      expect(data.servers).toEqual([{ name: 'default', nodes: [] }]);
      await route.fulfill({ response, json: { data: { servers: [{ name: 'default', nodes }] } } });
    });
    await page.reload();
    await page.getByRole('heading', { name: 'Nodes of Citus' }).waitFor();
    const table = page.getByRole('table', { name: 'Nodes of Citus' });
    await table.getByRole('row', { name: 'worker-1.internal:5432 default 1,234 Yes' }).waitFor();
    await table.getByRole('row', { name: 'worker-2.internal:5432 default 0 No' }).waitFor();
    await shown.picture('servers-citus');
    await shown.expectAccessible();
    await page.setViewportSize({ width: 375, height: 700 });
    await shown.expectNoSideways();
    shown.expectQuiet();
  });
});
