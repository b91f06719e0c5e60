import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { password, register } from '../../support/accounts.ts';
import { findBrowser } from '../../support/browser.ts';
import { type ConsolePage, openConsolePage } from '../../support/console-page.ts';
import { Fleet } from '../../support/fleet.ts';

const browser = findBrowser();

describe.skipIf(!browser)('signing in to the console', () => {
  const stack = new AsyncDisposableStack();
  let fleet: Fleet;
  let shown: ConsolePage;
  let admin: string;

  beforeAll(async () => {
    // So that access tokens expire while the test looks.
    fleet = stack.use(await Fleet.start({ ACCESS_TOKEN_SECONDS: '60' }));
    await fleet.createTenants({ acme: 'SCHEMA' });
    admin = (await register(fleet.app, 'ada@example.com')).id;
    await register(fleet.app, 'eve@example.com');
    await fleet.ask(`mutation { setPlatformAdmin(user: "${admin}", isPlatformAdmin: true) { id } }`);
    shown = stack.use(await openConsolePage(browser ?? '', fleet.http.url));
  });
  afterAll(() => stack.disposeAsync());

  const signIn = async (email: string, secret = password) => {
    await shown.page.getByLabel('Email address', { exact: true }).fill(email);
    await shown.page.getByLabel('Password').fill(secret);
    await shown.page.getByRole('button', { name: 'Sign in' }).click();
  };
  const signedIn = () => shown.page.getByRole('button', { name: 'Sign out' }).waitFor();

  const spoilToken = () =>
    shown.page.evaluate(`(() => {
      const session = JSON.parse(sessionStorage.getItem('tenantry.console.session'));
      sessionStorage.setItem('tenantry.console.session', JSON.stringify({ ...session, token: session.token.slice(0, -4) + 'AAAA' }));
    })()`);

  it('shows what the API says of a wrong password, and refuses those who are no platform admins', async () => {
    await shown.picture('sign-in');
    await shown.expectAccessible();
    await signIn('ada@example.com', 'not the password at all');
    await shown.page.getByText('The email address or the password is wrong').waitFor();
    await signIn('eve@example.com');
    await shown.page.getByText('eve@example.com is not a platform admin').waitFor();
    // A refused request is an error in the browser's console.
    shown.problems.length = 0;
  });

  it('lasts through a reload of the page, but not in other tabs', async () => {
    await signIn('ada@example.com');
    await signedIn();
    await shown.page.reload();
    await signedIn();
    const other = await shown.page.context().newPage();
    await other.goto(shown.page.url());
    await other.getByRole('button', { name: 'Sign in' }).waitFor();
    await other.close();
    shown.expectQuiet();
  });

  it('renews a token that has expired, without a word', async () => {
    await spoilToken();
    await shown.page.reload();
    await shown.page.getByText('1 tenant, 0 behind').waitFor();
    shown.problems.length = 0;
  });

  it('gives its new token to a duplicate of the tab', async () => {
    const session = async (page: Page): Promise<unknown> =>
      JSON.parse(String(await page.evaluate(`sessionStorage.getItem('tenantry.console.session')`)));
    const before = await session(shown.page);
    const duplicate = await shown.page.context().newPage();
    await duplicate.goto(shown.page.url());
    await duplicate.evaluate(`sessionStorage.setItem('tenantry.console.session', '${JSON.stringify(before)}')`);
    await duplicate.reload();
    await duplicate.getByRole('button', { name: 'Sign out' }).waitFor();
    await spoilToken();
    await shown.page.reload();
    await shown.page.getByText('1 tenant, 0 behind').waitFor();
    const after = await session(shown.page);
    expect(after).not.toEqual(before);
    await vi.waitFor(async () => expect(await session(duplicate)).toEqual(after));
    await duplicate.close();
    shown.problems.length = 0;
  });

  it('asks again when the session has ended, and goes on where it was', async () => {
    await shown.visit('runs/new');
    await shown.page.getByLabel('Waves').fill('1, 100%');
    // That ends the user's sessions.
    await fleet.ask(`mutation { setUserActive(user: "${admin}", active: false) { id } }`);
    await shown.page.getByRole('button', { name: 'Show the plan' }).click();
    await shown.page.getByRole('heading', { name: 'Your session has ended' }).waitFor();
    await shown.expectAccessible();
    await shown.picture('session-ended');
    // The second one closes a dialog, whatever the page says.
    for (let times = 0; times < 3; times += 1) await shown.page.keyboard.press('Escape');
    await shown.page.getByRole('heading', { name: 'Your session has ended' }).waitFor();
    await fleet.ask(`mutation { setUserActive(user: "${admin}", active: true) { id } }`);
    await signIn('ada@example.com');
    await vi.waitFor(async () => expect(await shown.page.getByRole('dialog').count()).toBe(0));
    expect(await shown.page.getByLabel('Waves').inputValue()).toBe('1, 100%');
    await shown.page.getByRole('heading', { name: 'Plan' }).waitFor();
    shown.problems.length = 0;
  });

  it('ends on request, on the server too', async () => {
    await shown.page.getByRole('button', { name: 'Sign out' }).click();
    await shown.page.getByRole('button', { name: 'Sign in' }).waitFor();
    expect(await shown.page.evaluate('sessionStorage.length')).toBe(0);
    await vi.waitFor(async () => {
      const [row] = await fleet.inCatalog<{ count: number }>(
        'SELECT count(*)::int AS count FROM sessions WHERE user_id = $1',
        [admin],
      );
      expect(row?.count).toBe(0);
    });
    shown.expectQuiet();
  });
});
