import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fleet } from '../support/fleet.ts';

describe('a run in which one tenant fails', () => {
  let fleet: Fleet;
  const slugs = ['good-db', 'bad-db', 'good-schema', 'bad-schema'];

  beforeAll(async () => {
    fleet = await Fleet.start();
    await fleet.createTenants({
      'good-db': 'DATABASE',
      'bad-db': 'DATABASE',
      'good-schema': 'SCHEMA',
      'bad-schema': 'SCHEMA',
    });
    for (const slug of slugs) {
      const price = slug.startsWith('bad') ? '0.00' : '5.00';
      const product = await fleet.app.ask(
        `mutation { createProduct(input: { sku: "s", name: "n", price: "${price}", currency: "EUR" }) { id } }`,
        await fleet.app.tokenFor(slug),
      );
      expect(product.errors).toBeUndefined();
    }
    await fleet.migrations.add('20270101000000_one', 'CREATE TABLE one (id int)');
    await fleet.migrations.add('20270102000000_two', "UPDATE products SET name = 'changed'");
    await fleet.migrations.add(
      '20270103000000_three',
      'ALTER TABLE products ADD CONSTRAINT products_not_free CHECK (price > 0)',
    );
  });
  afterAll(async () => {
    await fleet[Symbol.asyncDispose]();
  });

  const state = (slug: string) =>
    fleet.inTenant(
      slug,
      `SELECT (SELECT name FROM products) AS product, to_regclass('one') IS NOT NULL AS one,
        (SELECT array_agg(name ORDER BY id) FROM migration_history WHERE status = 'APPLIED') AS applied,
        (SELECT count(*)::int FROM migration_history WHERE status = 'ROLLED_BACK') AS failures`,
    );

  it('leaves those that fail exactly as they were, and brings the others forward', async () => {
    expect(await fleet.run()).toMatchObject({ status: 'FAILED', succeeded: 2, failed: 2, skipped: 0, total: 4 });
    const applied = ['20261121000000_fixture'];
    const all = [...applied, '20270101000000_one', '20270102000000_two', '20270103000000_three'];
    for (const slug of slugs) {
      expect(await state(slug), slug).toEqual([
        slug.startsWith('bad')
          ? { product: 'n', one: false, applied, failures: 1 }
          : { product: 'changed', one: true, applied: all, failures: 0 },
      ]);
    }
  });

  it('touches only those that still need it when it is run again', async () => {
    for (const slug of ['bad-db', 'bad-schema']) await fleet.inTenant(slug, 'UPDATE products SET price = 1');
    expect(await fleet.run()).toMatchObject({ status: 'SUCCEEDED', succeeded: 2, failed: 0, skipped: 2 });
  });
});
