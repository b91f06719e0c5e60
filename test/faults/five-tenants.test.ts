import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fleet } from '../support/fleet.ts';

describe('five tenants, of which one fails', () => {
  const slugs = ['acme', 'globex', 'initech', 'umbrella', 'wonka'];
  const name = '20270101000001_unique_names';
  let fleet: Fleet;

  beforeAll(async () => {
    fleet = await Fleet.start();
    await fleet.createTenants({
      acme: 'DATABASE',
      globex: 'SCHEMA',
      initech: 'DATABASE',
      umbrella: 'SCHEMA',
      wonka: 'DATABASE',
    });
    // Two products of one name, which the migration does not allow.
    await fleet.inTenant(
      'initech',
      `INSERT INTO products (sku, name, price, currency, stock) VALUES ('a', 'Chair', 1, 'EUR', 1), ('b', 'Chair', 2, 'EUR', 1)`,
    );
    await fleet.migrations.add(
      name,
      'ALTER TABLE products ADD COLUMN note text',
      'CREATE UNIQUE INDEX products_name_key ON products (name)',
    );
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  const hasNote = async (slug: string) => {
    const [row] = await fleet.inTenant<{ there: boolean }>(
      slug,
      `SELECT count(*) > 0 AS there FROM pg_attribute WHERE attrelid = 'products'::regclass AND attname = 'note'`,
    );
    return row?.there;
  };
  const behind = async () => {
    const { tenants } = await fleet.ask<{ tenants: { nodes: { slug: string; behind: number }[] } }>(
      '{ tenants(first: 10) { nodes { slug behind } } }',
    );
    return tenants.nodes.filter((tenant) => tenant.behind > 0).map(({ slug }) => slug);
  };

  it('leaves the one unchanged and names it, and after a fix migrates it and skips the four', async () => {
    const run = await fleet.run();
    expect(run).toMatchObject({ status: 'FAILED', total: 5, succeeded: 4, failed: 1, skipped: 0 });
    const events = await fleet.events(run.id);
    expect(events.at(-1)).toMatchObject({
      kind: 'RUN_ENDED',
      message: '4 succeeded, 1 failed, 0 skipped',
    });
    const failed = run.items.nodes.filter(({ status }) => status === 'FAILED');
    expect(failed.map(({ tenant, error }) => [tenant.slug, error])).toEqual([
      [
        'initech',
        expect.stringMatching(
          `^${name} failed: could not create unique index "products_name_key".*\\(name\\)=\\(Chair\\)`,
        ),
      ],
    ]);
    expect(await Promise.all(slugs.map(hasNote))).toEqual([true, true, false, true, true]);
    expect(await behind()).toEqual(['initech']);

    await fleet.inTenant('initech', `UPDATE products SET name = 'Armchair' WHERE sku = 'b'`);
    const rerun = await fleet.run();
    expect(rerun).toMatchObject({ status: 'SUCCEEDED', total: 5, succeeded: 1, failed: 0, skipped: 4 });
    const succeeded = rerun.items.nodes.filter(({ status }) => status === 'SUCCEEDED');
    expect(succeeded.map(({ tenant, applied }) => [tenant.slug, applied])).toEqual([['initech', [name]]]);
    expect(await hasNote('initech')).toBe(true);
    expect(await behind()).toEqual([]);
    const { migrationHistory } = await fleet.ask<{ migrationHistory: { nodes: unknown[] } }>(
      '{ migrationHistory(tenant: "initech", first: 2) { nodes { name status run } } }',
    );
    expect(migrationHistory.nodes).toEqual([
      { name, status: 'APPLIED', run: rerun.id },
      { name, status: 'ROLLED_BACK', run: run.id },
    ]);
  });
});
