import { mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { BrowserContextOptions } from 'playwright-core';
import { expect } from 'vitest';
import { z } from 'zod';
import { type OfflinePage, openOfflinePage } from './offline-page.ts';

/** The console in a browser. */
export interface ConsolePage extends OfflinePage {
  /** Goes to a place in the console, such as `runs`, and waits until it shows something. */
  visit(place: string): Promise<void>;
  /** Signs in with a platform admin's token. */
  useToken(token: string): Promise<void>;
  /** Saves what the page looks like in `artifacts/console`, which CI keeps. */
  picture(name: string): Promise<void>;
  /** Expects axe to find nothing that is serious or worse. */
  expectAccessible(): Promise<void>;
  /** Expects that nothing is wider than the window. */
  expectNoSideways(): Promise<void>;
  /** Expects that the page asked no other host for anything and reported no error. */
  expectQuiet(): void;
}

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const folder = 'artifacts/console';

const findings = z.array(
  z.object({ id: z.string(), impact: z.nullable(z.string()), nodes: z.array(z.object({ html: z.string() })) }),
);

/** Opens the console of a server at this address of its API. */
export async function openConsolePage(
  browser: string,
  apiUrl: string,
  options: BrowserContextOptions = {},
): Promise<ConsolePage> {
  const opened = await openOfflinePage(browser, { viewport: { width: 1280, height: 860 }, ...options });
  const { page, outside, problems } = opened;
  const url = new URL('/console', apiUrl).href;
  await page.goto(url);
  await page.getByRole('heading', { level: 1 }).waitFor();
  mkdirSync(folder, { recursive: true });
  return {
    ...opened,
    async visit(place) {
      await page.goto(`${url}#/${place}`);
      await page.getByText('One moment …').first().waitFor({ state: 'detached' });
    },
    async useToken(token) {
      await page.getByText('Use a token instead').click();
      await page.getByLabel('Platform admin').fill(token);
      await page.getByRole('button', { name: 'Use the token' }).click();
      await page.getByRole('button', { name: 'Sign out' }).waitFor();
    },
    async picture(name) {
      await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
    },
    async expectAccessible() {
      // Scripts of others are not allowed in the page; those of the debugger are.
      if ((await page.evaluate('typeof axe')) === 'undefined') await page.evaluate(await readFile(axe, 'utf8'));
      const text =
        'axe.run().then(({ violations }) => violations.map(({ id, impact, nodes }) => ({ id, impact, nodes })))';
      const found = findings.parse(await page.evaluate(text));
      expect(found.filter(({ impact }) => impact === 'serious' || impact === 'critical')).toEqual([]);
    },
    async expectNoSideways() {
      const [content, window] = z
        .tuple([z.number(), z.number()])
        .parse(await page.evaluate('[document.documentElement.scrollWidth, document.documentElement.clientWidth]'));
      expect(content).toBeLessThanOrEqual(window);
    },
    expectQuiet() {
      expect(outside).toEqual([]);
      expect(problems).toEqual([]);
    },
  };
}
