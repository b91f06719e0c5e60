import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Checkout, copyCheckout } from '../../support/checkout.ts';
import { childEnv } from '../../support/child-env.ts';
import { makeInstallationDir } from '../../support/empty-cluster.ts';
import { removeDataDir } from '../../support/remove-data-dir.ts';

let checkout: Checkout;
let dataDir: string;
beforeAll(async () => {
  checkout = copyCheckout();
  dataDir = await makeInstallationDir('tenantry-without-bookings-');
});
afterAll(async () => {
  checkout?.[Symbol.dispose]();
  await removeDataDir(dataDir);
});

async function run(command: string): Promise<string> {
  const env = { ...childEnv, NODE_ENV: 'test', DATA_DIR: dataDir };
  const options = { cwd: checkout.dir, env };
  return (await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', command], options)).stdout;
}

it('the bookings can be deleted in one step, as the page says, and nothing misses them', async () => {
  const index = checkout.file('src/modules/index.ts');
  writeFileSync(
    index,
    readFileSync(index, 'utf8')
      .replace(/^import .*\/bookings\/.*\n/m, '')
      .replace(/bookings, |, bookings(?=\])/, ''),
  );
  const [, script = expect.unreachable()] =
    /^```sh\n(rm -r src\/modules\/bookings .*?)^```/ms.exec(readFileSync('docs/builders.md', 'utf8')) ?? [];
  await run(script);
  expect(readFileSync(checkout.file('schema.graphql'), 'utf8')).not.toMatch(/appointment|slot/i);
  await run('node_modules/.bin/biome check --error-on-warnings src test migrations && node_modules/.bin/tsc --noEmit');
  await run(
    'node_modules/.bin/vitest run test/modules/{migrations,products,foreign-ids,matrix}.test.ts -t "migrations of|product|in the table"',
  );
}, 600_000);
