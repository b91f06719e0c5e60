import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from './support/start-app.ts';

const migration = (name: string, up: string) => `import { Migration } from '@mikro-orm/migrations';
export default class ${name} extends Migration { override up(): void { this.addSql(${JSON.stringify(up)}); } }
`;

describe('a run in which one tenant fails', () => {
  let app: TestApp;
  let dir: string;
  const slugs = ['good-db', 'bad-db', 'good-schema', 'bad-schema'];
  const run = 'mutation { runMigrations(input: { wait: true }) { id status succeeded failed skipped total } }';

  beforeAll(async () => {
    // Inside the checkout, so that the migrations find their packages.
    dir = await mkdtemp(path.join(import.meta.dirname, '../artifacts-migrations-'));
    await cp('migrations/tenant', dir, { recursive: true });
    app = await startTestApp({ TENANT_MIGRATIONS_DIR: dir });
    for (const slug of slugs) {
      const isolation = slug.endsWith('db') ? 'DATABASE' : 'SCHEMA';
      await app.ask(
        `mutation { createTenant(input: { slug: "${slug}", name: "x", isolation: ${isolation} }) { id } }`,
        app.admin,
      );
      const price = slug.startsWith('bad') ? '0.00' : '5.00';
      const product = await app.ask(
        `mutation { createProduct(input: { sku: "s", name: "n", price: "${price}", currency: "EUR" }) { id } }`,
        await app.tokenFor(slug),
      );
      expect(product.errors).toBeUndefined();
    }
    await writeFile(path.join(dir, '20270101000000_one.ts'), migration('One', 'CREATE TABLE one (id int)'));
    await writeFile(path.join(dir, '20270102000000_two.ts'), migration('Two', "UPDATE products SET name = 'changed'"));
    await writeFile(
      path.join(dir, '20270103000000_three.ts'),
      migration('Three', 'ALTER TABLE products ADD CONSTRAINT products_not_free CHECK (price > 0)'),
    );
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  const state = async (slug: string) => {
    const tenant = await app.services.directory.byReference(slug);
    if (!tenant) throw new Error(`no tenant ${slug}`);
    const lease = app.services.tenants.lease(tenant);
    const rows = await lease.em.execute(
      `SELECT (SELECT name FROM products) AS product, to_regclass('one') IS NOT NULL AS one,
        (SELECT array_agg(name ORDER BY id) FROM migration_history WHERE status = 'APPLIED') AS applied,
        (SELECT count(*)::int FROM migration_history WHERE status = 'ROLLED_BACK') AS failures`,
    );
    await lease.release();
    return rows[0];
  };

  it('leaves those that fail exactly as they were, and brings the others forward', async () => {
    const { data } = await app.ask(run, app.admin);
    expect(data?.runMigrations).toMatchObject({ status: 'FAILED', succeeded: 2, failed: 2, skipped: 0, total: 4 });
    const applied = ['20261121000000_shop'];
    const all = [...applied, '20270101000000_one', '20270102000000_two', '20270103000000_three'];
    for (const slug of slugs) {
      expect(await state(slug), slug).toEqual(
        slug.startsWith('bad')
          ? { product: 'n', one: false, applied, failures: 1 }
          : { product: 'changed', one: true, applied: all, failures: 0 },
      );
    }
  });

  it('tells every step, in order and without gaps, to those who come late', async () => {
    const { rows } = await app.services.catalog.use((client) =>
      client.query<{ seq: number; kind: string }>('SELECT seq, kind FROM migration_events ORDER BY seq'),
    );
    expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_, index) => index + 1));
    const count = (kind: string) => rows.filter((row) => row.kind === kind).length;
    expect(rows[0]?.kind).toBe('RUN_STARTED');
    expect(rows.at(-1)?.kind).toBe('RUN_ENDED');
    expect(count('TENANT_STARTED')).toBe(4);
    expect(count('MIGRATION_APPLIED')).toBe(6);
    expect(count('TENANT_FAILED')).toBe(2);
  });

  it('touches only those that still need it when it is run again', async () => {
    for (const slug of ['bad-db', 'bad-schema']) {
      const tenant = await app.services.directory.byReference(slug);
      if (!tenant) throw new Error(`no tenant ${slug}`);
      const lease = app.services.tenants.lease(tenant);
      await lease.em.execute('UPDATE products SET price = 1');
      await lease.release();
    }
    const { data } = await app.ask(run, app.admin);
    expect(data?.runMigrations).toMatchObject({ status: 'SUCCEEDED', succeeded: 2, failed: 0, skipped: 2 });
  });

  it('refuses a migration that has been changed since it was applied', async () => {
    await writeFile(path.join(dir, '20270101000000_one.ts'), migration('One', 'CREATE TABLE one (id bigint)'));
    const { data } = await app.ask(run, app.admin);
    expect(data?.runMigrations).toMatchObject({ status: 'FAILED', failed: 4 });
    const { rows } = await app.services.catalog.use((client) =>
      client.query<{ error: string }>(`SELECT DISTINCT left(i.error, 17) AS error FROM migration_run_items i
        JOIN migration_runs r ON r.id = i.run_id WHERE r.created_at = (SELECT max(created_at) FROM migration_runs)`),
    );
    expect(rows).toEqual([{ error: 'MIGRATION_CHANGED' }]);
  });
});
