import { setTimeout as sleep } from 'node:timers/promises';
import { insertCurrentTenants } from '../../bench/current-tenants.ts';
import { openBenchInstallation } from '../../bench/installation.ts';
import { startServer } from '../../bench/server-process.ts';
import { type ConsolePage, openConsolePage } from '../../test/support/console-page.ts';
import type { Demo } from './installation.ts';

const window = { viewport: { width: 1100, height: 640 } };

/** Takes a picture (PNG) of a fleet that is in the catalog only, with tenants in various states. */
export async function photographFleet(browser: string): Promise<Buffer> {
  await using place = await openBenchInstallation();
  await using app = await place.openApp();
  await app.prepared;
  await insertCurrentTenants(app.services, 2_000);
  await app.services.catalog.use(async (client) => {
    await client.query(`UPDATE tenants SET status = 'SUSPENDED' WHERE slug LIKE '%77'`);
    await client.query(`UPDATE tenants SET status = 'NEEDS_ATTENTION' WHERE slug LIKE '%413'`);
    await client.query(`UPDATE tenants SET migration_state = NULL WHERE slug < 'tenant-14'`);
  });
  const token = await app.services.tokens.issue({ platformAdmin: true, expiresIn: '1h' });
  const api = await startServer(place, '../test/fixture/main.ts', { WORKER: 'off', LOG_LEVEL: 'warn' });
  await using opened = await openConsolePage(browser, api, window);
  await opened.useToken(token);
  await opened.page.locator('[data-complete]').waitFor();
  await opened.page.getByRole('application').press('PageDown');
  return await opened.page.screenshot();
}

/** Starts a run in the console and takes a picture (PNG) in the middle of it. */
export async function photographRun(browser: string, { url, token, pause }: Demo): Promise<Buffer> {
  await using opened = await openConsolePage(browser, url, window);
  await opened.useToken(token);
  await opened.visit('runs/new');
  await startRun(opened);
  while (!/^1\d of/m.test(await opened.page.locator('.progress-box').innerText())) await sleep(50);
  using _paused = pause();
  return await opened.page.screenshot({ timeout: 120_000 });
}

async function startRun({ page }: ConsolePage): Promise<void> {
  await page.getByLabel('Waves').fill('2, 25%, 100%');
  await page.getByLabel('Tenants at once').fill('2');
  await page.getByRole('button', { name: 'Show the plan' }).click();
  await page.getByRole('button', { name: 'Start the run …' }).click();
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await page.locator('.progress-box').waitFor();
}
