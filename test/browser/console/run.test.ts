import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { findBrowser } from '../../support/browser.ts';
import { type ConsolePage, openConsolePage } from '../../support/console-page.ts';
import { FaultLab } from '../../support/fault-lab.ts';

const TENANTS = 200;
const name = '20270102000000_labels';

const browser = findBrowser();

describe.skipIf(!browser)('a run in the console', () => {
  const stack = new AsyncDisposableStack();
  let lab: FaultLab;
  let console: ConsolePage;

  beforeAll(async () => {
    lab = stack.use(await FaultLab.start({ schemas: TENANTS, databases: 0 }));
    await lab.fleet.migrations.addReversible(
      name,
      'CREATE TABLE labels AS SELECT pg_sleep(0.05)::text AS name',
      'DROP TABLE labels',
    );
    console = stack.use(await openConsolePage(browser ?? '', lab.fleet.http.url));
    await console.useToken(lab.fleet.app.admin.authorization?.replace('Bearer ', '') ?? '');
  }, 300_000);
  afterAll(() => stack.disposeAsync());

  const button = (label: string) => console.page.getByRole('button', { name: label, exact: true });
  const dialog = () => console.page.getByRole('dialog');
  const shows = (text: string | RegExp) => console.page.getByText(text).first().waitFor({ timeout: 90_000 });
  const statusShown = (status: string) =>
    console.page.locator(`.heading [data-status="${status}"]`).waitFor({ timeout: 90_000 });
  const countOf = async (what: string) =>
    Number(/\d+/.exec(await console.page.locator('.counts li', { hasText: what }).innerText())?.[0]);

  it('starts after its plan and a question that say what will happen', async () => {
    await lab.keepWorkers(2);
    await console.visit('runs/new');
    await console.page.getByLabel('Waves').fill('20, 100%');
    await button('Show the plan').click();
    await shows(`1 migration in ${TENANTS} tenants`);
    await console.picture('plan');
    await button('Start the run …').click();
    await expect(dialog().innerText()).resolves.toContain(
      `applies 1 migration in ${TENANTS} tenants, in waves of 20, 100%`,
    );
    await expect(dialog().innerText()).resolves.toContain(name);
    await console.expectAccessible();
    await button('Start').click();
    await statusShown('RUNNING');
  });

  it('is watched while a worker is killed, until all tenants have it', async () => {
    await vi.waitUntil(async () => (await countOf('succeeded')) > 20, { timeout: 60_000 });
    await console.picture('run');
    await console.expectAccessible();
    await lab.workers[0]?.end('SIGKILL');
    await statusShown('SUCCEEDED');
    expect(await countOf('succeeded')).toBe(TENANTS);
    expect(await countOf('failed')).toBe(0);
    await shows(`${TENANTS} of ${TENANTS} tenants`);
    expect(await console.page.getByRole('row', { name: /^[12] Succeeded/ }).count()).toBe(2);
    expect(await lab.fleet.applied('tenant-117')).toContain(name);
  });

  it('is undone, after a question that says what is reverted', async () => {
    await button('Undo …').click();
    await expect(dialog().innerText()).resolves.toContain(`${name} in ${TENANTS} tenants`);
    await console.picture('undo');
    await button('Undo the run').click();
    await console.page.getByRole('heading', { name: 'Undo', level: 1 }).waitFor();
    await statusShown('SUCCEEDED');
    expect(await countOf('succeeded')).toBe(TENANTS);
    expect(await lab.fleet.applied('tenant-117')).not.toContain(name);
    console.expectQuiet();
  });

  it('is cancelled and resumed, and failures are shown together', async () => {
    await lab.fleet.migrations.addReversible(
      '20270102000001_half',
      `DO $$ BEGIN IF current_schema() < 'tenant_b' THEN RAISE EXCEPTION 'no luck today'; END IF; PERFORM pg_sleep(0.2); END $$`,
      'SELECT 1',
    );
    await lab.fleet.startRun();
    await console.visit('runs');
    await console.page
      .getByRole('row', { name: /Running/ })
      .getByRole('link')
      .click();
    await statusShown('RUNNING');
    await button('Cancel …').click();
    await expect(dialog().innerText()).resolves.toMatch(/No more tenants are started/);
    await button('Cancel the run').click();
    await statusShown('CANCELLED');
    await button('Resume …').click();
    await button('Resume the run').click();
    await statusShown('FAILED');
    await console.page.getByRole('heading', { name: 'Failures' }).waitFor();
    expect(await console.page.locator('.failures > li').count()).toBe(1);
    await shows(/no luck today/);
    await console.picture('failures');
    await console.expectAccessible();
    console.expectQuiet();
  });
});
