import { execFile } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createMigrationLines } from '../../src/installation/migration-lines.ts';
import { readSnapshot } from '../../src/migrator/authoring/schema-snapshot.ts';
import { type Checkout, copyCheckout } from '../support/checkout.ts';
import { childEnv } from '../support/child-env.ts';
import { product } from '../support/product.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

let postgres: TestPostgres;
let checkout: Checkout;

beforeAll(async () => {
  postgres = await startTestPostgres();
  checkout = copyCheckout();
});
afterAll(async () => {
  checkout?.[Symbol.dispose]();
  await postgres?.[Symbol.asyncDispose]();
});

const review = `import { defineEntity, p } from '@mikro-orm/core';
import { Product } from './product.entity.ts';

export const ReviewSchema = defineEntity({
  name: 'Review',
  tableName: 'reviews',
  schema: '*',
  properties: {
    id: p.uuid().primary(),
    product: () => p.manyToOne(Product).ref().deleteRule('cascade'),
    stars: p.integer().check('stars BETWEEN 1 AND 5'),
  },
});
`;

/** Runs the command line of the copy as a process, and gives its output, or fails with it. */
async function tenantry(env: Record<string, string>, ...args: string[]): Promise<string> {
  const options = { cwd: checkout.dir, env: { ...childEnv, NODE_ENV: 'test', ...env } };
  return new Promise((resolve, reject) => {
    execFile(process.execPath, ['src/cli.ts', ...args], options, (error, stdout, stderr) => {
      if (error) reject(new Error(`${args.join(' ')}: ${stdout}${stderr}`));
      else resolve(stdout);
    });
  });
}

it('the snapshot matches the migrations; if not, run: tenantry migrate snapshot', async () => {
  const dirs = { tenantDir: 'migrations/tenant', commonDir: 'migrations/common' };
  const { folder, tables } = createMigrationLines(dirs, product).tenant;
  const kept = await readSnapshot(folder, await folder.read());
  expect(kept).toMatchObject({ kind: 'read', stale: undefined });
  if (kept.kind === 'read') expect(await tables.changesSince(kept.tables)).toMatchObject({ up: [], warnings: [] });
});

it('a new entity and a new column become a migration without a database; both kinds of tenants apply, revert and reapply it', async () => {
  const on = (...args: string[]) => tenantry(postgres.env, ...args);
  await on('tenant', 'create', 'alone', '--isolation', 'database');
  await on('tenant', 'create', 'shared', '--isolation', 'schema');
  writeFileSync(checkout.file('src/modules/shop/review.entity.ts'), review);
  checkout.edit('src/modules/shop/index.ts', '[ProductSchema', '[ReviewSchema, ProductSchema');
  checkout.edit(
    'src/modules/shop/index.ts',
    'import { ProductSchema }',
    "import { ReviewSchema } from './review.entity.ts';\nimport { ProductSchema }",
  );
  checkout.edit(
    'src/modules/shop/product.entity.ts',
    'name: p.text(),',
    'name: p.text(), weight: p.integer().nullable(),',
  );
  const file = (await tenantry({ DATA_DIR: 'nothing' }, 'migrate', 'new', 'add_reviews')).trim();
  expect(file).toMatch(/^migrations\/tenant\/\d{14}_add_reviews\.ts$/);
  expect(existsSync(checkout.file('nothing'))).toBe(false);
  const columns = `SELECT table_name || '.' || column_name AS name FROM information_schema.columns
    WHERE (table_name = 'reviews' OR column_name = 'weight') ORDER BY name`;
  const made = async () =>
    Promise.all(
      (
        await postgres.rows<{ database: string; schema: string }>(
          'SELECT database, schema FROM tenants ORDER BY slug',
          [],
          'auth',
        )
      ).map(async ({ database, schema }) =>
        (
          await postgres.rows<{ name: string }>(
            columns.replace('WHERE', `WHERE table_schema = '${schema}' AND`),
            [],
            database,
          )
        ).map(({ name }) => name),
      ),
    );
  const all = ['products.weight', 'reviews.id', 'reviews.product_id', 'reviews.stars'];
  await on('migrate', 'up');
  expect(await made()).toEqual([all, all]);
  await on('migrate', 'down', '--all', '--steps', '1');
  expect(await made()).toEqual([[], []]);
  await on('migrate', 'up');
  expect(await made()).toEqual([all, all]);
  expect(await on('migrate', 'check')).toBe('The migrations are in order.\n');
  // PostgreSQL rephrases the new check. That is not a difference, neither here nor for a regenerated snapshot.
  await on('migrate', 'snapshot');
  await expect(tenantry({ DATA_DIR: 'nothing' }, 'migrate', 'new', 'more')).rejects.toThrow('nothing to write');
}, 300_000);
