import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fleet, runFields, type ShownRun } from '../support/fleet.ts';

const [fine, bad] = ['20270101000001_fine', '20270101000002_bad'];
const unknown = '00000000-0000-4000-8000-000000000000';

interface Page<Node> {
  readonly totalCount: number;
  readonly nodes: readonly Node[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly hasPreviousPage: boolean; readonly endCursor: string };
}
interface ShownRecord {
  readonly name: string;
  readonly status: string;
  readonly error: string | null;
  readonly run: string | null;
  readonly checkpoint: string | null;
  readonly tenant: { readonly slug: string };
}

describe('what is remembered', () => {
  let fleet: Fleet;
  /** One that failed for two tenants of three, then one that went well. */
  let failed: ShownRun;
  let succeeded: ShownRun;

  beforeAll(async () => {
    fleet = await Fleet.start();
    await fleet.createTenants({ 'alpha-db': 'DATABASE', 'beta-schema': 'SCHEMA', 'gamma-db': 'DATABASE' });
    const product = `INSERT INTO products (sku, name, price, currency, stock) VALUES ('s', 'n', 0, 'EUR', 1)`;
    for (const slug of ['alpha-db', 'beta-schema']) await fleet.inTenant(slug, product);
    await fleet.migrations.add(fine, 'CREATE TABLE fine (id int)');
    await fleet.migrations.add(bad, 'ALTER TABLE products ADD CONSTRAINT paid CHECK (price > 0)');
    failed = await fleet.run('concurrency: 1');
    for (const slug of ['alpha-db', 'beta-schema']) await fleet.inTenant(slug, 'DELETE FROM products');
    succeeded = await fleet.run('concurrency: 1');
  });
  afterAll(async () => {
    await fleet[Symbol.asyncDispose]();
  });

  const history = async (args: string) => {
    const query = `{ migrationHistory(${args}) { totalCount pageInfo { hasNextPage hasPreviousPage endCursor }
      nodes { name scope hash status error run checkpoint appliedAt durationMs tenant { slug } } } }`;
    return (await fleet.ask<{ migrationHistory: Page<ShownRecord> }>(query)).migrationHistory;
  };
  const code = async (query: string) => (await fleet.refusal(query)).code;
  /** All nodes of a list, page by page. */
  const pages = async <Node>(first: number, read: (args: string) => Promise<Page<Node>>) => {
    const found: Node[] = [];
    for (let after = ''; ; ) {
      const page = await read(`first: ${first}${after}`);
      expect(page.nodes.length).toBeLessThanOrEqual(first);
      found.push(...page.nodes);
      if (!page.pageInfo.hasNextPage) return found;
      after = `, after: "${page.pageInfo.endCursor}"`;
    }
  };

  it.each(['alpha-db', 'beta-schema'])(
    'is in %s itself: newest first, with failures, their errors and runs',
    async (slug) => {
      const { totalCount, nodes } = await history(`tenant: "${slug}"`);
      const applied = { status: 'APPLIED', error: null, tenant: { slug } };
      expect(totalCount).toBe(4);
      expect(nodes).toMatchObject([
        { name: bad, run: succeeded.id, checkpoint: succeeded.checkpoint, ...applied },
        { name: fine, run: succeeded.id, checkpoint: succeeded.checkpoint, ...applied },
        {
          name: bad,
          status: 'ROLLED_BACK',
          run: failed.id,
          checkpoint: failed.checkpoint,
          error: expect.stringMatching(
            `^${bad} failed: check constraint "paid" of relation "products" is violated by some row, in line 2: ALTER TABLE`,
          ),
          tenant: { slug },
        },
        { name: '20261121000000_fixture', run: null, checkpoint: null, ...applied },
      ]);
      const { id } = await fleet.tenant(slug);
      expect(await history(`tenant: "${id}", status: ROLLED_BACK`)).toMatchObject({
        totalCount: 1,
        nodes: [{ name: bad }],
      });
      expect(await history(`tenant: "${slug}", status: REVERTED`)).toMatchObject({ totalCount: 0 });
    },
  );

  it('is, for the whole fleet, what its runs did, and can be filtered and paged through', async () => {
    const all = await pages(3, (args) => history(args));
    expect(all.map(({ tenant, name, status }) => [tenant.slug, name, status])).toEqual([
      ['beta-schema', bad, 'APPLIED'],
      ['beta-schema', fine, 'APPLIED'],
      ['alpha-db', bad, 'APPLIED'],
      ['alpha-db', fine, 'APPLIED'],
      ['gamma-db', bad, 'APPLIED'],
      ['gamma-db', fine, 'APPLIED'],
      ['beta-schema', bad, 'ROLLED_BACK'],
      ['alpha-db', bad, 'ROLLED_BACK'],
    ]);
    expect((await history('scope: TENANT')).totalCount).toBe(8);
    const rolledBack = await history('status: ROLLED_BACK, first: 1');
    expect(rolledBack).toMatchObject({
      totalCount: 2,
      nodes: [{ run: failed.id, checkpoint: failed.checkpoint, error: expect.stringContaining('"paid"') }],
      pageInfo: { hasNextPage: true, hasPreviousPage: false },
    });
  });

  it('is what runs were: newest first, in pages', async () => {
    const runs = await pages(1, async (args) => {
      const query = `{ migrationRuns(${args}) { totalCount pageInfo { hasNextPage hasPreviousPage endCursor } nodes { ${runFields} } } }`;
      return (await fleet.ask<{ migrationRuns: Page<ShownRun> }>(query)).migrationRuns;
    });
    expect(runs).toEqual([succeeded, failed]);
  });

  it('is how a run went: its counts, times and tenants', async () => {
    expect(await fleet.runNow(failed.id)).toEqual(failed);
    expect(failed).toMatchObject({ status: 'FAILED', dryRun: false, total: 3, succeeded: 1, failed: 2, pending: 0 });
    expect(failed.checkpoint).toMatch(/^pre_migration_\d{8}_\d{6}$/);
    const times = [failed.createdAt, failed.startedAt ?? '', failed.endedAt ?? ''];
    expect(times).toEqual(times.toSorted());
    expect(Math.abs(Date.parse(failed.createdAt) - Date.now())).toBeLessThan(60_000);
    expect(failed.items.nodes).toMatchObject([
      { tenant: { slug: 'alpha-db' }, status: 'FAILED', applied: [], attempts: 1, error: expect.stringContaining(bad) },
      { tenant: { slug: 'beta-schema' }, status: 'FAILED', applied: [], attempts: 1 },
      { tenant: { slug: 'gamma-db' }, status: 'SUCCEEDED', applied: [fine, bad], attempts: 1, error: null },
    ]);
    for (const { durationMs } of failed.items.nodes) expect(durationMs).toBeGreaterThan(0);
    expect(succeeded.items.nodes[2]).toMatchObject({ status: 'SKIPPED', applied: [], attempts: 0, durationMs: null });
  });

  it('lets a run’s tenants be filtered and paged through', async () => {
    const items = async (args: string) => {
      const query = `{ migrationRun(id: "${failed.id}") { items(${args}) { totalCount
        pageInfo { hasNextPage hasPreviousPage endCursor } nodes { tenant { slug } status } } } }`;
      return (await fleet.ask<{ migrationRun: { items: Page<unknown> } }>(query)).migrationRun.items;
    };
    expect(await items('status: FAILED')).toMatchObject({ totalCount: 2 });
    expect(await items('status: CANCELLED')).toMatchObject({ totalCount: 0, nodes: [] });
    expect(await pages(1, items)).toEqual([
      { tenant: { slug: 'alpha-db' }, status: 'FAILED' },
      { tenant: { slug: 'beta-schema' }, status: 'FAILED' },
      { tenant: { slug: 'gamma-db' }, status: 'SUCCEEDED' },
    ]);
    expect(await pages(1, (args) => items(`status: FAILED, ${args}`))).toHaveLength(2);
    expect(await items('last: 1')).toMatchObject({ nodes: [{ tenant: { slug: 'gamma-db' } }] });
  });

  it('is nothing for a run that is unknown, and refused for what is no id', async () => {
    expect(await fleet.ask(`{ migrationRun(id: "${unknown}") { id } }`)).toEqual({ migrationRun: null });
    for (const id of ['', 'nonsense', `${unknown}0`, '1']) {
      expect(await code(`{ migrationRun(id: "${id}") { id } }`)).toBe('BAD_USER_INPUT');
    }
    expect(await code('{ migrationHistory(tenant: "nobody") { totalCount } }')).toBe('TENANT_NOT_FOUND');
    expect(await code(`{ migrationHistory(tenant: "${unknown}") { totalCount } }`)).toBe('TENANT_NOT_FOUND');
    expect(await code(`{ migrationHistory(after: "${btoa('["x"]')}") { totalCount } }`)).toBe('BAD_USER_INPUT');
    expect(await code('{ migrationRuns(first: 101) { totalCount } }')).toBe('BAD_USER_INPUT');
  });
});
