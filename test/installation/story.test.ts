import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/start-app.ts';

describe('two tenants of each isolation', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
  });

  it('sees its own rows and nobody else’s', async () => {
    for (const [slug, isolation] of [
      ['one-db', 'DATABASE'],
      ['two-db', 'DATABASE'],
      ['one-schema', 'SCHEMA'],
      ['two-schema', 'SCHEMA'],
    ]) {
      const created = await app.ask(
        `mutation { createTenant(input: { slug: "${slug}", name: "${slug}", isolation: ${isolation} }) { status } }`,
        app.admin,
      );
      expect(created).toEqual({ data: { createTenant: { status: 'ACTIVE' } } });
      const product = await app.ask(
        `mutation { createProduct(input: { sku: "${slug}", name: "of ${slug}", price: "9.50", currency: "EUR", stock: 3 }) { sku } }`,
        await app.tokenFor(slug ?? ''),
      );
      expect(product).toEqual({ data: { createProduct: { sku: slug } } });
    }
    for (const slug of ['one-db', 'two-db', 'one-schema', 'two-schema']) {
      const { data } = await app.ask('{ products { totalCount nodes { sku price } } }', await app.tokenFor(slug));
      expect(data).toEqual({ products: { totalCount: 1, nodes: [{ sku: slug, price: '9.5000' }] } });
    }
  });

  it('cannot reach another place with SQL of its own', async () => {
    const directory = app.services.directory;
    const mine = await directory.byReference('one-schema');
    const other = await directory.byReference('two-schema');
    if (!mine || !other) throw new Error('the tenants are missing');
    const lease = app.services.tenants.lease(mine);
    const refused = [
      `SELECT * FROM "${other.schema}".products`,
      `SET ROLE "${other.schema}"`,
      `SET SESSION AUTHORIZATION "${other.schema}"`,
      'RESET ROLE; CREATE TABLE mine (id int)',
      'DROP TABLE products',
      'ALTER TABLE products ADD COLUMN x int',
      'TRUNCATE products',
      'DELETE FROM migration_history',
      'CREATE TEMP TABLE t (id int)',
    ];
    for (const sql of refused) {
      await expect(lease.em.execute(sql), sql).rejects.toThrow(/permission denied|must be (member|owner)/);
    }
    expect(await lease.em.execute('SELECT sku FROM products')).toEqual([{ sku: 'one-schema' }]);
    await lease.release();
  });

  it('skips tenants that are current, and tells every step', async () => {
    const { data } = await app.ask(
      'mutation { runMigrations(input: { wait: true }) { status total skipped failed } }',
      app.admin,
    );
    expect(data).toEqual({ runMigrations: { status: 'SUCCEEDED', total: 4, skipped: 4, failed: 0 } });
  });

  it('refuses what has no tenant, no token or no right', async () => {
    const code = async (query: string, headers?: Record<string, string>) =>
      (await app.ask(query, headers)).errors?.[0]?.extensions.code;
    expect(await code('{ products { totalCount } }')).toBe('UNAUTHENTICATED');
    expect(await code('{ products { totalCount } }', app.admin)).toBe('TENANT_REQUIRED');
    expect(await code('{ products { totalCount } }', await app.tokenFor('nobody'))).toBe('TENANT_NOT_FOUND');
    expect(await code('{ tenants { totalCount } }', await app.tokenFor('one-db'))).toBe('FORBIDDEN');
    expect(await code('mutation { createTenant(input: { slug: "one-db", name: "x" }) { id } }', app.admin)).toBe(
      'SLUG_TAKEN',
    );
  });
});
