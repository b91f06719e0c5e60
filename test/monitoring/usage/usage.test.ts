import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { refreshUsages } from '../../../src/monitoring/usage/refresh.ts';
import { writeLastRequests } from '../../../src/monitoring/usage/report-requests.ts';
import { Fleet } from '../../support/fleet.ts';
import { runCommand } from '../../support/run-command.ts';

interface Usage {
  readonly databaseBytes: number;
  readonly rows: number;
  readonly files: number;
  readonly lastRequestAt: string | null;
  readonly measuredAt: string;
}

const fields = 'usage { databaseBytes rows files lastRequestAt measuredAt }';

describe('the usage of tenants', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    // Nothing is measured by itself, so that the tests know when it is.
    fleet = await Fleet.start({ WORKER: 'off' });
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  const usageOf = async (slug: string) =>
    (await fleet.ask<{ tenant: { usage: Usage | null } }>(`{ tenant(slug: "${slug}") { ${fields} } }`)).tenant.usage;
  const refresh = () => {
    const { catalog, servers, provisioning, log } = fleet.app.services;
    return refreshUsages({ catalog, servers, files: provisioning.files, log }, new AbortController().signal);
  };

  it.each(['DATABASE', 'SCHEMA'] as const)('is measured at once when it is asked for: %s', async (isolation) => {
    const slug = `one-${isolation.toLowerCase()}`;
    await fleet.createTenants({ [slug]: isolation });
    await fleet.inTenant(
      slug,
      `INSERT INTO products (sku, name, price, currency, stock) SELECT 's' || n, 'n', 1, 'EUR', 0 FROM generate_series(1, 500) n`,
    );
    await fleet.inTenant(slug, 'ANALYZE products');
    expect(await usageOf(slug)).toEqual({
      databaseBytes: expect.any(Number),
      rows: expect.any(Number),
      files: 0,
      lastRequestAt: null,
      measuredAt: expect.any(String),
    });
    const usage = await usageOf(slug);
    expect(usage?.rows).toBeGreaterThanOrEqual(500);
    expect(usage?.databaseBytes).toBeGreaterThan(50_000);
    const before = Date.now() - 1_000;
    await fleet.app.ask('{ products { totalCount } }', await fleet.app.tokenFor(slug));
    const last = (await usageOf(slug))?.lastRequestAt;
    expect(Date.parse(last ?? '')).toBeGreaterThanOrEqual(before);
    await writeLastRequests(fleet.app.services.catalog, fleet.app.services.loads.lastRequests);
    expect((await usageOf(slug))?.lastRequestAt).toBe(last);
  });

  it('is shown by tenantry tenant show', async () => {
    await fleet.createTenants({ shown: 'SCHEMA' });
    const env = { NODE_ENV: 'test', DATA_DIR: fleet.app.services.config.dataDir };
    const { stdout } = await runCommand(['tenant', 'show', 'shown', '--json'], env);
    expect(JSON.parse(stdout)).toMatchObject({ databaseBytes: expect.any(Number), rows: expect.any(Number), files: 0 });
  });

  it('of many tenants opens no connection to them, and is measured in portions', async () => {
    const slugs = Array.from({ length: 8 }, (_, index) => `many-${index}`);
    await fleet.createTenants(Object.fromEntries(slugs.map((slug) => [slug, 'DATABASE' as const])));
    const list = `{ tenants(first: 100, filter: { search: "many-" }) { nodes { slug ${fields} } } }`;
    const read = async () =>
      (await fleet.ask<{ tenants: { nodes: { slug: string; usage: Usage | null }[] } }>(list)).tenants.nodes;
    expect((await read()).map(({ usage }) => usage)).toEqual(slugs.map(() => null));
    const backends = `SELECT sum(sessions)::int AS count FROM pg_stat_database WHERE datname LIKE 'db\\_%'`;
    const before = await fleet.inCatalog(backends);
    expect((await read()).length).toBe(slugs.length);
    expect(await fleet.inCatalog(backends)).toEqual(before);
    expect(await refresh()).toBeGreaterThanOrEqual(slugs.length);
    for (const { usage } of await read()) expect(usage?.databaseBytes).toBeGreaterThan(1_000_000);
    expect(await refresh()).toBe(0);
  });

  it('is measured again after an hour if there were requests since, and after a day if there were none', async () => {
    await fleet.createTenants({ busy: 'SCHEMA', idle: 'SCHEMA' });
    await refresh();
    await fleet.inCatalog(
      `UPDATE tenant_usages SET tried_at = now() - interval '61 minutes', measured_at = now() - interval '61 minutes'`,
    );
    const { id } = await fleet.tenant('busy');
    await fleet.inCatalog('UPDATE tenant_usages SET last_request_at = now() WHERE tenant_id = $1', [id]);
    const measured = "SELECT count(*)::int AS count FROM tenant_usages WHERE measured_at > now() - interval '1 minute'";
    await fleet.inCatalog(`UPDATE tenant_usages SET last_request_at = NULL WHERE tenant_id <> '${id}'`);
    expect(await refresh()).toBe(1);
    expect(await fleet.inCatalog(measured)).toEqual([{ count: 1 }]);
    await fleet.inCatalog(`UPDATE tenant_usages SET tried_at = now() - interval '25 hours'`);
    expect(await refresh()).toBeGreaterThan(5);
  });

  it('goes with the tenant, and one that cannot be reached keeps no other from being measured', async () => {
    await fleet.createTenants({ lost: 'DATABASE', found: 'DATABASE' });
    const { database } = await fleet.tenant('lost');
    await fleet.inCatalog('UPDATE tenant_usages SET tried_at = now()');
    const admin = await fleet.session('postgres');
    await admin.query(`ALTER DATABASE ${database} ALLOW_CONNECTIONS false`);
    await refresh();
    expect(await usageOf('found')).not.toBeNull();
    expect(await usageOf('lost')).toBeNull();
    await admin.query(`ALTER DATABASE ${database} ALLOW_CONNECTIONS true`);
    await fleet.ask('mutation { deleteTenant(id: "found", slug: "found", purge: true) { id } }');
    expect(
      await fleet.inCatalog('SELECT FROM tenant_usages u LEFT JOIN tenants t ON t.id = u.tenant_id WHERE t.id IS NULL'),
    ).toEqual([]);
  });
});
