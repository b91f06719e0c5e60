/**
 * Makes the pictures of the README from a real installation: GraphiQL and the console in Chromium, and the command line in a terminal.
 *
 *   npm run pictures
 *
 * It needs Chromium (or CHROMIUM, the path of a similar browser) and the `script` command of util-linux.
 */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { findBrowser, howToGetABrowser } from '../../test/support/browser.ts';
import { photographFleet, photographRun } from './console.ts';
import { photographGraphiql } from './graphiql.ts';
import { openDemo } from './installation.ts';
import { recordCommand } from './record.ts';
import { toSvg } from './svg.ts';

const folder = path.join(import.meta.dirname, '../../docs/pictures');

const browser = findBrowser();
if (!browser) throw new Error(`There is no browser: ${howToGetABrowser}`);
await using demo = await openDemo();

await demo.addMigration(
  '20270101000000_product_tags',
  "ALTER TABLE products ADD COLUMN tags text[] NOT NULL DEFAULT '{}'",
);
const frames = await recordCommand(['migrate', 'up', '--waves', '2,25%,100%'], demo.env);
await writeFile(path.join(folder, 'migrate-up.svg'), toSvg(frames, 'tenantry migrate up'));

await demo.addMigration('20270102000000_order_notes', 'ALTER TABLE orders ADD COLUMN note text');
await writeFile(path.join(folder, 'graphiql.png'), await photographGraphiql(browser, demo));

await demo.addMigration('20270103000000_product_ratings', 'ALTER TABLE products ADD COLUMN rating numeric');
await writeFile(path.join(folder, 'console-run.png'), await photographRun(browser, demo));
await writeFile(path.join(folder, 'console-fleet.png'), await photographFleet(browser));
