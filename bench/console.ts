import { findBrowser, howToGetABrowser } from '../test/support/browser.ts';
import { openOfflinePage } from '../test/support/offline-page.ts';
import { insertCurrentTenants } from './current-tenants.ts';
import { type Benchmark, limit, quantile, type Result } from './harness.ts';
import { openBenchInstallation } from './installation.ts';
import { startServer } from './server-process.ts';

const TENANTS = 10_000;
const ROUNDS = 7;
/** How long the page is watched after its first picture, in milliseconds. */
const WATCHED_MS = 6_500;

/** The console's picture of a large fleet, in Chromium. */
export const consolePicture: Benchmark = {
  name: 'console',
  about: `the console's first picture of ${TENANTS} tenants in Chromium, and what it asks for afterwards`,
  async run(signal) {
    const browser = findBrowser();
    if (!browser) throw new Error(`There is no browser: ${howToGetABrowser}`);
    await using place = await openBenchInstallation();
    await using app = await place.openApp();
    await app.prepared;
    await insertCurrentTenants(app.services, TENANTS);
    const token = await app.services.tokens.issue({ platformAdmin: true, expiresIn: '1h' });
    const api = await startServer(place, '../test/fixture/main.ts', { WORKER: 'off', LOG_LEVEL: 'warn' });
    return await measure(browser, new URL('/console', api).href, token, signal);
  },
};

async function measure(browser: string, url: string, token: string, signal: AbortSignal): Promise<Result[]> {
  await using opened = await openOfflinePage(browser, { viewport: { width: 1280, height: 860 } });
  const { page } = opened;
  const session = JSON.stringify({ token, name: 'Bench' });
  await page.addInitScript(`sessionStorage.setItem('tenantry.console.session', ${JSON.stringify(session)})`);
  const times: number[] = [];
  // The first round warms up the server, and fills the browser's cache as an earlier visit does.
  for (let round = 0; round <= ROUNDS; round += 1) {
    signal.throwIfAborted();
    const start = performance.now();
    await page.goto(url);
    await page.locator('[data-complete]').waitFor();
    await page.evaluate('new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))');
    if (round > 0) times.push(performance.now() - start);
    await page.goto('about:blank');
  }
  await page.goto(url);
  await page.locator('[data-complete]').waitFor();
  let bytes = 0;
  page.on('response', async (response) => {
    bytes += (await response.body().catch(() => Buffer.alloc(0))).length;
  });
  await page.waitForTimeout(WATCHED_MS);
  if (bytes === 0) throw new Error('The page has asked for no changes');
  return [
    limit(`first picture of ${TENANTS} tenants`, 'ms', { atMost: 2_000 }, quantile(times, 0.5)),
    limit(`what the page asks for in ${WATCHED_MS / 1000} s afterwards`, 'kB', { atMost: 10 }, bytes / 1000),
  ];
}
