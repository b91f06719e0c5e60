import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkDrift } from '../../src/fleet/drift/check-drift.ts';
import { eventually } from '../support/eventually.ts';
import { Fleet } from '../support/fleet.ts';
import { commandsOf } from '../support/run-command.ts';
import { startTestApp } from '../support/start-app.ts';
import { startInstalledPostgres, type TestPostgres } from '../support/start-postgres.ts';
import { eventIn, WebhookReceiver } from '../support/webhook-receiver.ts';

interface ShownCheck {
  readonly checkedAt: string;
  readonly isClean: boolean;
  readonly differences: number;
  readonly sql: readonly string[];
  readonly error: string | null;
}

describe('drift of the fleet', () => {
  let fleet: Fleet;
  let postgres: TestPostgres;
  let receiver: WebhookReceiver;
  let tenantry: ReturnType<typeof commandsOf>;

  beforeAll(async () => {
    [postgres, receiver] = await Promise.all([startInstalledPostgres(), WebhookReceiver.start()]);
    fleet = await Fleet.start({ ...postgres.env, WEBHOOK_PRIVATE_NETWORKS: 'true' });
    tenantry = commandsOf(fleet.app, postgres.env);
    await fleet.createTenants({ clean: 'SCHEMA', changed: 'SCHEMA', own: 'DATABASE' });
    await fleet.ask(
      `mutation { createWebhook(input: { url: "${receiver.url()}", events: [DRIFT_FOUND] }) { webhook { id } } }`,
    );
  });
  afterAll(async () => {
    await fleet[Symbol.asyncDispose]();
    await receiver[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  const checkOf = async (slug: string) =>
    (
      await fleet.ask<{ tenant: { driftCheck: ShownCheck | null } }>(
        `{ tenant(slug: "${slug}") { driftCheck { checkedAt isClean differences sql error } } }`,
      )
    ).tenant.driftCheck;
  const drifted = async () => {
    const { driftedTenants } = await fleet.ask<{ driftedTenants: { nodes: { tenant: { slug: string } }[] } }>(
      '{ driftedTenants { nodes { tenant { slug } } } }',
    );
    return driftedTenants.nodes.map(({ tenant }) => tenant.slug);
  };

  it('is unknown before the first check, and none where nothing was changed', async () => {
    expect(await checkOf('clean')).toBeNull();
    expect(await tenantry('drift', '--json')).toEqual({
      exit: 0,
      stdout: `${JSON.stringify({ compared: 3, drifted: [], failed: [] }, null, 2)}\n`,
      stderr: '',
    });
    expect(await checkOf('clean')).toMatchObject({ isClean: true, differences: 0, sql: [], error: null });
    expect(await drifted()).toEqual([]);
  });

  it('is found in all tenants or in some, shown, and told to webhooks once', async () => {
    await fleet.inTenant('changed', 'ALTER TABLE orders ALTER COLUMN currency DROP NOT NULL');
    await fleet.inTenant('own', 'ALTER TABLE products ADD COLUMN by_hand integer');
    const some = await tenantry('drift', '--tenant', 'clean', 'changed', '--json');
    expect(some.exit).toBe(1);
    expect(JSON.parse(some.stdout)).toEqual({
      compared: 2,
      drifted: [{ tenant: 'changed', sql: [expect.stringContaining('set not null')] }],
      failed: [],
    });
    expect(await drifted()).toEqual(['changed']);
    const all = await tenantry('drift');
    expect(all.exit).toBe(1);
    expect(all.stdout).toMatch(/changed differs from the entities\. To make it match:\n {2}alter table .*set not null/);
    expect(all.stdout).toContain('by_hand');
    expect(all.stderr).toMatch(/^3 compared, 2 with drift, 0 failed\./);
    expect((await drifted()).sort()).toEqual(['changed', 'own']);
    await eventually('both are told', async () => receiver.requests.length >= 2);
    const events = receiver.requests.map(({ body }) => eventIn(body));
    expect(events.map(({ data }) => data.tenant?.slug)).toEqual(['changed', 'own']);
    expect(events[0]?.data.drift).toEqual({ count: 1, statements: [expect.stringContaining('set not null')] });
  });

  it('is not looked for in tenants with other migrations than the code, and an error keeps what was known', async () => {
    await fleet.inCatalog(`UPDATE tenants SET database = 'nowhere' WHERE slug = 'own'`);
    const failed = await tenantry('drift', '--tenant', 'own', '--json');
    expect(failed.exit).toBe(1);
    expect(JSON.parse(failed.stdout)).toMatchObject({ compared: 1, drifted: [], failed: [{ tenant: 'own' }] });
    expect(await checkOf('own')).toMatchObject({ isClean: false, error: expect.stringContaining('nowhere') });
    const { key } = (await fleet.inCatalog<{ key: string }>(`SELECT key FROM tenants WHERE slug = 'own'`))[0] ?? {};
    await fleet.inCatalog(`UPDATE tenants SET database = 'db_' || $1 WHERE slug = 'own'`, [key]);
    await fleet.migrations.add('20270101000000_pending', 'CREATE TABLE pending (id int)');
    expect(JSON.parse((await tenantry('drift', '--json')).stdout)).toEqual({ compared: 0, drifted: [], failed: [] });
    await fleet.migrations.remove('20270101000000_pending');
  });

  it('is looked for from time to time by one process, and a check that was left unfinished is continued', async () => {
    await fleet.inTenant('changed', 'ALTER TABLE orders ALTER COLUMN currency SET NOT NULL');
    const { checkedAt } = (await checkOf('clean')) ?? expect.unreachable();
    // A process that is gone has begun a check and come as far as the tenant `clean`.
    await fleet.inCatalog(
      `UPDATE fleet_checks SET begun_at = (SELECT checked_at FROM tenant_drifts d JOIN tenants t ON t.id = d.tenant_id
         WHERE slug = 'clean'), claimed_by = 1`,
    );
    await fleet.inCatalog(
      `UPDATE tenant_drifts SET checked_at = now() - interval '1 day'
       WHERE tenant_id <> (SELECT id FROM tenants WHERE slug = 'clean')`,
    );
    const env = { ...postgres.env, TENANT_MIGRATIONS_DIR: fleet.migrations.path, DRIFT_CHECK_HOURS: '1' };
    await using _first = await startTestApp(env);
    await using _second = await startTestApp(env);
    await eventually('the check has ended', async () => {
      const rows = await fleet.inCatalog('SELECT FROM fleet_checks WHERE ended_at IS NOT NULL AND claimed_by IS NULL');
      return rows.length === 1;
    });
    expect((await checkOf('clean'))?.checkedAt).toBe(checkedAt);
    expect(await checkOf('own')).toMatchObject({ isClean: false, error: null });
    expect(await drifted()).toEqual(['own']);
    expect(receiver.requests.filter(({ body }) => body.includes('"own"'))).toHaveLength(1);
  });

  it('is not looked for any further once a result could not be stored', async () => {
    // A sequence counts attempts that were rolled back too.
    await postgres.rows('CREATE SEQUENCE refusals', [], 'auth');
    await postgres.rows(
      `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
       BEGIN RAISE EXCEPTION 'refusal %', nextval('refusals'); END $$`,
      [],
      'auth',
    );
    await postgres.rows(
      'CREATE TRIGGER refuse BEFORE INSERT ON tenant_drifts FOR EACH ROW EXECUTE FUNCTION refuse()',
      [],
      'auth',
    );
    const { catalog, servers, tables, migrations } = fleet.app.services;
    const options = { catalog, servers, tables: tables.TENANT, migrations: migrations.tenant, concurrency: 1 };
    await expect(checkDrift(options).next()).rejects.toThrow('refusal 1');
    await sleep(1_000);
    expect(await postgres.rows('SELECT last_value::int AS count FROM refusals', [], 'auth')).toEqual([{ count: 1 }]);
    await postgres.rows('DROP FUNCTION refuse CASCADE', [], 'auth');
    await postgres.rows('DROP SEQUENCE refusals', [], 'auth');
  });
});
