import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { findBrowser } from '../../support/browser.ts';
import { type ConsolePage, openConsolePage } from '../../support/console-page.ts';
import { Fleet } from '../../support/fleet.ts';
import { commandsOf } from '../../support/run-command.ts';

const browser = findBrowser();

const looks = {
  light: { colorScheme: 'light' },
  dark: { colorScheme: 'dark' },
  phone: { viewport: { width: 375, height: 700 }, hasTouch: true },
} as const;

describe.skipIf(!browser)('the pages of the console', () => {
  const stack = new AsyncDisposableStack();
  let fleet: Fleet;
  let tenant: string;
  let run: string;

  beforeAll(async () => {
    fleet = stack.use(await Fleet.start());
    await fleet.createTenants({ acme: 'DATABASE', 'corner-shop': 'SCHEMA', northwind: 'SCHEMA', initech: 'SCHEMA' });
    await fleet.migrations.addReversible('20270101000000_tags', 'CREATE TABLE tags (name text)', 'DROP TABLE tags');
    run = (await fleet.run('tenants: ["acme", "northwind"]')).id;
    await fleet.ask('mutation { suspendTenant(id: "initech") { id } }');
    await fleet.ask('mutation { createCheckpoint(tenant: "acme") { id } }');
    tenant = (await fleet.ask<{ tenant: { id: string } }>('{ tenant(slug: "acme") { id } }')).tenant.id;
  });
  afterAll(() => stack.disposeAsync());

  const open = async (options: Parameters<typeof openConsolePage>[2] = {}): Promise<ConsolePage> => {
    const page = await openConsolePage(browser ?? '', fleet.http.url, options);
    await page.useToken(fleet.app.admin.authorization?.replace('Bearer ', '') ?? '');
    return page;
  };

  it.each(Object.keys(looks))('are accessible and fit, %s', async (look) => {
    // The keys are those of `looks`.
    await using shown = await open(looks[look as keyof typeof looks]);
    const places = {
      fleet: 'fleet',
      runs: 'runs',
      run: `runs/${run}`,
      'new-run': 'runs/new',
      tenant: `tenants/${tenant}`,
    };
    for (const [name, place] of Object.entries({
      ...places,
      servers: 'servers',
      checks: 'checks',
      audit: 'audit',
      users: 'users',
    })) {
      await shown.visit(place);
      if (name === 'tenant') {
        await shown.page.getByRole('button', { name: 'Check now' }).click();
        await shown.page
          .getByText('The tables match the entities.')
          .or(shown.page.locator('section pre'))
          .first()
          .waitFor();
      }
      if (name === 'checks') {
        await shown.page.getByText('No check has found a difference').waitFor();
        await shown.page.getByRole('button', { name: 'Check now' }).click();
        await shown.page.getByText('All is well.').or(shown.page.getByText('What to do')).first().waitFor();
      }
      await shown.picture(`${name}-${look}`);
      await shown.expectAccessible();
      await shown.expectNoSideways();
    }
    shown.expectQuiet();
  });

  it('show the fleet to the keyboard, and follow it without asking for all of it again', async () => {
    await using shown = await open();
    const { page } = shown;
    const cursors: unknown[] = [];
    // What the page asks for before it is loaded again does not count.
    await page.locator('[data-complete]').waitFor();
    page.on('request', (request) => {
      const { query = '', variables } = request.postDataJSON() ?? {};
      if (query.includes('fleetCells')) cursors.push(variables.after);
    });
    await page.reload();
    await page.getByText('4 tenants, 2 behind, 0 need attention').waitFor();
    await page.getByRole('application').press('ArrowRight');
    await page.locator('.tip', { hasText: 'corner-shop: Active, 20261121000000_fixture, 1 behind' }).waitFor();
    await fleet.ask('mutation { suspendTenant(id: "corner-shop") { id } }');
    await page.locator('.tip', { hasText: 'corner-shop: Suspended' }).waitFor();
    // With Alt, an arrow belongs to the browser.
    await page.getByRole('application').press('Alt+ArrowDown');
    await page.getByRole('application').press('Control+End');
    await page.locator('.tip', { hasText: 'corner-shop: Suspended' }).waitFor();
    await page.getByRole('button', { name: /^Suspended 2/ }).click();
    await page.getByText('2 of 4 tenants shown').waitFor();
    await fleet.ask('mutation { activateTenant(id: "corner-shop") { id } }');
    await page.getByText('1 of 4 tenants shown').waitFor();
    expect(cursors[0]).toBeUndefined();
    expect(cursors.slice(1)).not.toContain(undefined);
    await page.getByRole('button', { name: /^Suspended 1/ }).click();
    await page.getByLabel('Slug contains').fill('acm');
    await page.getByText('1 of 4 tenants shown').waitFor();
    await page.getByRole('link', { name: 'Fleet' }).click();
    await page.getByText('1 of 4 tenants shown').waitFor({ state: 'detached' });
    expect(await page.getByLabel('Slug contains').inputValue()).toBe('');
    await page.getByLabel('Slug contains').fill('acm');
    await page.getByText('1 of 4 tenants shown').waitFor();
    await page.getByRole('application').press('Enter');
    await page.getByRole('heading', { name: 'acme', level: 1 }).waitFor();
    shown.expectQuiet();
  });

  it('accept a token that a terminal has broken, and an address that nobody has made', async () => {
    await using shown = await openConsolePage(browser ?? '', fleet.http.url);
    const { page } = shown;
    await page.goto(`${page.url()}#/%`);
    await page.reload();
    const token = fleet.app.admin.authorization ?? '';
    await page.getByText('Use a token instead').click();
    await page.getByLabel('Platform admin').fill('no token at all: „x“');
    await page.getByRole('button', { name: 'Use the token' }).click();
    await page.getByText('This is no token').waitFor();
    await page.getByLabel('Platform admin').fill(`${token.slice(0, 30)}\n  ${token.slice(30)}\n`);
    await page.getByRole('button', { name: 'Use the token' }).click();
    await page.getByText('No such page').waitFor();
    shown.expectQuiet();
  });

  it('change a tenant after a question, and show what the API says', async () => {
    await using shown = await open();
    const { page } = shown;
    await shown.visit(`tenants/${tenant}`);
    await page.getByRole('button', { name: 'Suspend …' }).click();
    await page.getByRole('button', { name: 'Suspend', exact: true }).click();
    await page.locator('.heading [data-status="SUSPENDED"]').waitFor();
    await page.getByRole('button', { name: 'Activate …' }).click();
    await page.getByRole('button', { name: 'Activate', exact: true }).click();
    await page.locator('.heading [data-status="ACTIVE"]').waitFor();
    await page.getByRole('button', { name: 'Create …' }).click();
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await vi.waitFor(async () => expect(await page.getByRole('button', { name: /^Restore/ }).count()).toBe(2));
    await page
      .getByRole('button', { name: /^Delete \w/ })
      .first()
      .click();
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await vi.waitFor(async () => expect(await page.getByRole('button', { name: /^Restore/ }).count()).toBe(1));
    await shown.visit('audit?action=suspendTenant&tenant=acme');
    await page
      .getByRole('row', { name: /suspendTenant OK acme/ })
      .first()
      .waitFor();
    await shown.visit('runs/not-an-id');
    await page.getByText('"not-an-id" is not the id of a run').waitFor();
    await page.getByText('BAD_USER_INPUT').waitFor();
    shown.expectQuiet();
  });

  it('put a tenant into the bin when its slug is typed, and bring it back', async () => {
    const { tenant: shop } = await fleet.ask<{ tenant: { id: string } }>('{ tenant(slug: "corner-shop") { id } }');
    await using shown = await open();
    const { page } = shown;
    await shown.visit(`tenants/${shop.id}`);
    await page.getByRole('button', { name: 'Delete …' }).click();
    await page.getByLabel('Its slug, to confirm').fill('corner');
    expect(await page.getByRole('button', { name: 'Delete', exact: true }).isDisabled()).toBe(true);
    await page.getByLabel('Its slug, to confirm').fill('corner-shop');
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await page.locator('.heading [data-status="DELETED"]').waitFor();
    await page.getByText('It is removed for good after').waitFor();
    await shown.expectAccessible();
    await page.getByRole('button', { name: 'Bring back …' }).click();
    await page.getByRole('button', { name: 'Bring it back', exact: true }).click();
    await page.locator('.heading [data-status="ACTIVE"]').waitFor();
    shown.expectQuiet();
  });

  it('clone a tenant and move it to a schema, and follow both', async () => {
    await using shown = await open();
    const { page } = shown;
    await shown.visit(`tenants/${tenant}`);
    await page.getByRole('button', { name: 'Clone …' }).click();
    expect(await page.getByRole('button', { name: 'Clone', exact: true }).isDisabled()).toBe(true);
    await page.getByLabel('Slug of the clone').fill('northwind');
    await page.getByRole('button', { name: 'Clone', exact: true }).click();
    await page.getByText('SLUG_TAKEN').waitFor();
    await page.getByLabel('Slug of the clone').fill('acme-sandbox');
    await page.getByLabel('Mask addresses, names and the like').uncheck();
    await page.getByText('may send mail to them').waitFor();
    await shown.expectAccessible();
    await page.getByLabel('Mask addresses, names and the like').check();
    await page.getByRole('button', { name: 'Clone', exact: true }).click();
    await page.getByRole('row', { name: /^Clone acme-sandbox on default, with its own database Succeeded/ }).waitFor();
    await page.getByRole('link', { name: 'acme-sandbox' }).click();
    await page.getByRole('heading', { name: 'acme-sandbox' }).waitFor();
    await page.getByText(/measured (just now|\d+ s ago)/).waitFor();
    await page.getByRole('button', { name: 'Move …' }).click();
    expect(await page.getByRole('button', { name: 'Move', exact: true }).isDisabled()).toBe(true);
    await page.getByText('Choose another server or another isolation.').waitFor();
    await page.getByLabel('Isolation').selectOption('Own schema');
    await page.getByText('Its requests are refused with TENANT_BUSY').waitFor();
    await shown.expectAccessible();
    await page.getByRole('button', { name: 'Move', exact: true }).click();
    await page
      .getByRole('row', { name: /^Move acme-sandbox from its own database to its own schema on default Succeeded/ })
      .waitFor();
    await page.getByText('Own schema', { exact: true }).waitFor();
    shown.expectQuiet();
  });

  it('show which tenants have drift, on a page of their own and on that of the tenant', async () => {
    const session = await fleet.sessionIn('northwind');
    await session.query('ALTER TABLE products ADD COLUMN forgotten int');
    const { stdout } = await commandsOf(fleet.app)('drift');
    expect(stdout).toContain('northwind differs');
    await using shown = await open();
    const { page } = shown;
    await shown.visit('checks');
    await page.getByRole('row', { name: /^northwind 2/ }).waitFor();
    await page.getByRole('link', { name: 'northwind' }).click();
    await page.getByText('The last check of the fleet found 2 differences').waitFor();
    shown.expectQuiet();
  });
});
