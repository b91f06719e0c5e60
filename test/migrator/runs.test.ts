import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Fleet, type ShownEvent } from '../support/fleet.ts';

const shop = '20261121000000_shop';

describe('a run over a fleet of both isolations', () => {
  const slugs = ['alpha-db', 'beta-schema', 'gamma-db', 'delta-schema'];
  let fleet: Fleet;
  let count = 0;
  /** Migrations that no tenant has, to be removed again. */
  const tried: string[] = [];

  beforeAll(async () => {
    fleet = await Fleet.start();
    await fleet.createTenants({
      'alpha-db': 'DATABASE',
      'beta-schema': 'SCHEMA',
      'gamma-db': 'DATABASE',
      'delta-schema': 'SCHEMA',
    });
  });
  afterEach(async () => {
    await fleet.migrations.remove(...tried.splice(0));
  });
  afterAll(async () => {
    await fleet[Symbol.asyncDispose]();
  });

  const add = async (...statements: string[]) => {
    count += 1;
    const name = `2027010100${String(count).padStart(4, '0')}_change`;
    await fleet.migrations.add(name, ...statements);
    return name;
  };
  /** A migration that fails in those tenants only, until they are mended. */
  const addFailingIn = async (...failing: string[]) => {
    await mend();
    for (const slug of failing) {
      await fleet.inTenant(
        slug,
        `INSERT INTO products (sku, name, price, currency, stock) VALUES ('sick', 'n', 0, 'EUR', 1)`,
      );
    }
    const name = await add(`DO $$ BEGIN IF EXISTS (SELECT FROM products) THEN RAISE 'on purpose'; END IF; END $$`);
    tried.push(name);
    return name;
  };
  const mend = async () => {
    for (const slug of slugs) await fleet.inTenant(slug, 'DELETE FROM products');
  };
  const has = async (slug: string) =>
    (
      await fleet.inTenant<{ name: string }>(
        slug,
        `SELECT name FROM migration_history WHERE status = 'APPLIED' ORDER BY name`,
      )
    ).map(({ name }) => name);
  const statuses = (run: Awaited<ReturnType<Fleet['run']>>) =>
    Object.fromEntries(run.items.nodes.map(({ tenant, status }) => [tenant.slug, status]));
  const kinds = (events: readonly ShownEvent[], slug: string) =>
    events.filter(({ tenant }) => tenant?.slug === slug).map(({ kind }) => kind);
  const setStatus = (slug: string, status: string) =>
    fleet.inCatalog('UPDATE tenants SET status = $2 WHERE slug = $1', [slug, status]);
  const versionOf = async (slug: string) =>
    (await fleet.ask<{ tenant: { version: string; behind: number } }>(`{ tenant(slug: "${slug}") { version behind } }`))
      .tenant;

  it('tries everything in a dry run, tells what would fail, and changes nothing', async () => {
    const fine = await add('CREATE TABLE noted (id int)');
    tried.push(fine);
    const bad = await addFailingIn('beta-schema');
    const run = await fleet.run('dryRun: true');
    expect(run).toMatchObject({ status: 'FAILED', dryRun: true, succeeded: 3, failed: 1, skipped: 0, pending: 0 });
    const events = await fleet.events(run.id);
    expect(events[0]?.message).toMatch(/^4 tenants, checkpoint pre_migration_\d{8}_\d{6}, dry run$/);
    expect(kinds(events, 'alpha-db')).toEqual([
      'TENANT_STARTED',
      'MIGRATION_APPLIED',
      'MIGRATION_APPLIED',
      'TENANT_SUCCEEDED',
    ]);
    expect(events.filter(({ kind }) => kind === 'MIGRATION_APPLIED').map(({ message }) => message)).toEqual(
      Array(6).fill('tried, and rolled back'),
    );
    expect(events.find(({ kind }) => kind === 'TENANT_FAILED')).toMatchObject({
      tenant: { slug: 'beta-schema' },
      migration: bad,
      message: expect.stringMatching(`^${bad} failed: on purpose, in: DO `),
    });
    for (const slug of slugs) {
      expect(await has(slug), slug).toEqual([shop]);
      expect(
        await fleet.inTenant(
          slug,
          `SELECT to_regclass('noted') AS noted, (SELECT count(*)::int FROM migration_history WHERE status <> 'APPLIED') AS failures`,
        ),
      ).toEqual([{ noted: null, failures: 0 }]);
      expect(await versionOf(slug)).toEqual({ version: shop, behind: 2 });
    }
  });

  it('goes as far as it is told, and later from there', async () => {
    const first = await add('CREATE TABLE first_step (id int)');
    const second = await add('CREATE TABLE second_step (id int)');
    expect(await fleet.run(`to: "${first}"`)).toMatchObject({ status: 'SUCCEEDED', succeeded: 4 });
    for (const slug of slugs) expect(await has(slug), slug).toEqual([shop, first]);
    expect(await fleet.run(`to: "${first}"`)).toMatchObject({ skipped: 4, succeeded: 0 });
    expect(await fleet.run()).toMatchObject({ status: 'SUCCEEDED', succeeded: 4 });
    for (const slug of slugs) expect(await has(slug), slug).toEqual([shop, first, second]);
    expect(await fleet.refusal('mutation { runMigrations(input: { to: "nonsense" }) { id } }')).toEqual({
      code: 'BAD_USER_INPUT',
      message: `There is no tenant migration nonsense; the newest is ${second}`,
    });
  });

  it('takes the tenants that are named, by id or slug, and each only once', async () => {
    const name = await add('CREATE TABLE chosen (id int)');
    const { id } = await fleet.tenant('alpha-db');
    const run = await fleet.run(`tenants: ["${id}", "beta-schema", "alpha-db", "${id.toUpperCase()}"]`);
    expect(run).toMatchObject({ status: 'SUCCEEDED', total: 2, succeeded: 2 });
    expect(statuses(run)).toEqual({ 'alpha-db': 'SUCCEEDED', 'beta-schema': 'SUCCEEDED' });
    expect(await has('alpha-db')).toContain(name);
    expect(await has('gamma-db')).not.toContain(name);
    expect(await fleet.run()).toMatchObject({ total: 4, succeeded: 2, skipped: 2 });
  });

  it('is refused if a tenant is unknown, and starts nothing', async () => {
    const runs = async () =>
      (await fleet.ask<{ migrationRuns: { totalCount: number } }>('{ migrationRuns { totalCount } }')).migrationRuns;
    const before = await runs();
    expect(
      await fleet.refusal('mutation { runMigrations(input: { tenants: ["alpha-db", "nobody", "x"] }) { id } }'),
    ).toEqual({
      code: 'NOT_FOUND',
      message: 'There is no tenant nobody, x',
    });
    for (const [field, value] of Object.entries({ concurrency: 0, maxFailures: -1 })) {
      expect(await fleet.refusal(`mutation { runMigrations(input: { ${field}: ${value} }) { id } }`)).toMatchObject({
        code: 'BAD_USER_INPUT',
        message: expect.stringContaining(field),
      });
    }
    expect(await runs()).toEqual(before);
  });

  it('ends at once, well, if it has no tenants', async () => {
    const run = await fleet.run('tenants: []');
    expect(run).toMatchObject({
      status: 'SUCCEEDED',
      total: 0,
      startedAt: expect.any(String),
      endedAt: expect.any(String),
      items: { totalCount: 0 },
    });
    expect((await fleet.events(run.id)).map(({ kind, done, total }) => [kind, done, total])).toEqual([
      ['RUN_STARTED', 0, 0],
      ['RUN_ENDED', 0, 0],
    ]);
  });

  it('stops starting tenants when more have failed than may', async () => {
    await addFailingIn('alpha-db', 'gamma-db');
    const run = await fleet.run('maxFailures: 1, concurrency: 1');
    expect(run).toMatchObject({ status: 'HALTED', succeeded: 1, failed: 2, cancelled: 1, pending: 0 });
    expect(statuses(run)).toEqual({
      'alpha-db': 'FAILED',
      'beta-schema': 'SUCCEEDED',
      'gamma-db': 'FAILED',
      'delta-schema': 'CANCELLED',
    });
    const events = await fleet.events(run.id);
    expect(kinds(events, 'delta-schema')).toEqual([]);
    expect(events.at(-1)).toMatchObject({
      kind: 'RUN_ENDED',
      done: 4,
      total: 4,
      message: '1 succeeded, 2 failed and rolled back, 0 skipped, 1 not started',
    });
    // What a tenant has stays in the folder from here on.
    tried.length = 0;
    await mend();
    expect(await fleet.run('maxFailures: 0')).toMatchObject({ status: 'SUCCEEDED', succeeded: 3, skipped: 1 });
  });

  it('stops at the first failure if it is told to', async () => {
    await addFailingIn('alpha-db');
    const run = await fleet.run('continueOnError: false, maxFailures: 9, concurrency: 1');
    expect(run).toMatchObject({ status: 'HALTED', succeeded: 0, failed: 1, cancelled: 3 });
    expect(await fleet.run('continueOnError: true, maxFailures: 1, dryRun: true')).toMatchObject({
      status: 'FAILED',
      succeeded: 3,
      failed: 1,
    });
  });

  it('works on no more tenants at once than it is told, and on that many if it can', async () => {
    tried.push(await add('CREATE TABLE crowd (id int)'));
    const events = async (input: string) => {
      const run = await fleet.run(`dryRun: true, ${input}`);
      expect(run.status).toBe('SUCCEEDED');
      return fleet.events(run.id);
    };
    const most = (list: readonly ShownEvent[]) => {
      let [now, peak] = [0, 0];
      for (const { kind } of list) {
        if (kind === 'TENANT_STARTED') now += 1;
        if (kind === 'TENANT_SUCCEEDED') now -= 1;
        peak = Math.max(peak, now);
      }
      return peak;
    };
    expect(most(await events('concurrency: 1'))).toBe(1);
    expect(most(await events('concurrency: 3'))).toBe(3);
  });

  it('does not connect to tenants that are current', async () => {
    expect(await fleet.run()).toMatchObject({ status: 'SUCCEEDED' });
    const admin = await fleet.session('postgres');
    const allow = async (allowed: boolean) => {
      for (const slug of slugs) {
        const { database } = await fleet.tenant(slug);
        await admin.query(`ALTER DATABASE ${database} WITH ALLOW_CONNECTIONS ${allowed}`);
        if (!allowed)
          await admin.query('SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1', [
            database,
          ]);
      }
    };
    await allow(false);
    const run = await fleet.run();
    const verified = await fleet.run('verify: true, maxFailures: 0, concurrency: 1');
    await allow(true);
    await fleet.end(admin);
    expect(run).toMatchObject({ status: 'SUCCEEDED', total: 4, skipped: 4, items: { totalCount: 4 } });
    expect((await fleet.events(run.id)).map(({ kind, message }) => [kind, message])).toEqual([
      ['RUN_STARTED', expect.any(String)],
      ['TENANTS_SKIPPED', '4 tenants with nothing to apply'],
      ['RUN_ENDED', '0 succeeded, 0 failed and rolled back, 4 skipped'],
    ]);
    // So the databases really could not be reached.
    expect(verified).toMatchObject({ status: 'HALTED', failed: 1 });
    expect(verified.items.nodes[0]?.error).toMatch(/not currently accepting connections/);
  });

  it('looks into every tenant when it is to verify, and sets the catalog right', async () => {
    const name = await add('CREATE TABLE verified (id int)');
    await fleet.run();
    // As after a restore of an old backup, which the catalog knows nothing of.
    for (const slug of ['alpha-db', 'beta-schema']) {
      await fleet.inTenant(slug, 'DROP TABLE verified');
      await fleet.inTenant(slug, `DELETE FROM migration_history WHERE name = '${name}'`);
    }
    // And the other way round: the catalog does not know what the tenant has.
    await fleet.inCatalog(`UPDATE tenants SET migration_state = NULL WHERE slug = 'gamma-db'`);
    expect(await fleet.run('tenants: ["alpha-db", "beta-schema", "delta-schema"]')).toMatchObject({ skipped: 3 });
    const run = await fleet.run('verify: true');
    expect(statuses(run)).toEqual({
      'alpha-db': 'SUCCEEDED',
      'beta-schema': 'SUCCEEDED',
      'gamma-db': 'SKIPPED',
      'delta-schema': 'SKIPPED',
    });
    expect(kinds(await fleet.events(run.id), 'gamma-db')).toEqual(['TENANT_STARTED', 'TENANT_SKIPPED']);
    for (const slug of slugs) {
      expect(await has(slug), slug).toContain(name);
      expect(await versionOf(slug)).toEqual({ version: name, behind: 0 });
    }
  });

  it('refuses a tenant that has what the code does not have, or has otherwise, and leaves it alone', async () => {
    const [gone, changed] = [await add('SELECT 1'), await add('SELECT 2')];
    await fleet.run();
    const { hash } = (
      await fleet.inTenant<{ hash: string }>('alpha-db', `SELECT hash FROM migration_history WHERE name = '${changed}'`)
    )[0] ?? { hash: '' };
    tried.push(await add('CREATE TABLE never (id int)'));
    await fleet.migrations.add(changed, 'SELECT 3');
    const refused = await fleet.run();
    expect(refused).toMatchObject({ status: 'FAILED', failed: 4 });
    for (const { error, applied } of refused.items.nodes) {
      expect(applied).toEqual([]);
      expect(error).toMatch(
        new RegExp(`^MIGRATION_CHANGED: ${changed} .*its hash was ${hash} and is now [0-9a-f]{64}`),
      );
    }
    await fleet.migrations.add(changed, 'SELECT 2');
    await fleet.migrations.remove(gone);
    const unknown = await fleet.run();
    expect(unknown).toMatchObject({ status: 'FAILED', failed: 4 });
    for (const { error } of unknown.items.nodes) expect(error).toMatch(new RegExp(`^MIGRATION_UNKNOWN: ${gone} `));
    expect((await fleet.events(unknown.id)).filter(({ kind }) => kind === 'TENANT_FAILED')).toHaveLength(4);
    for (const slug of slugs)
      expect(await fleet.inTenant(slug, `SELECT to_regclass('never') AS never`)).toEqual([{ never: null }]);
    await fleet.migrations.add(gone, 'SELECT 1');
    expect(await fleet.run('dryRun: true')).toMatchObject({ status: 'SUCCEEDED', succeeded: 4 });
  });

  it('refuses a migration that is not transactional', async () => {
    const name = '20270201000000_index';
    await fleet.migrations.addClass(name, `isTransactional() { return false; } up() { this.addSql('VACUUM'); }`);
    tried.push(name);
    const run = await fleet.run();
    expect(run).toMatchObject({ status: 'FAILED', failed: 4 });
    for (const { error } of run.items.nodes)
      expect(error).toMatch(new RegExp(`${name} says that it is not transactional`));
  });

  it('does not start if a file cannot be read, and names it', async () => {
    await fleet.migrations.write('20270202000000_broken.ts', 'export default 1;');
    tried.push('20270202000000_broken');
    for (const query of [
      'mutation { runMigrations { id } }',
      '{ migrationPlan { totalCount } }',
      '{ migrations { name } }',
    ]) {
      expect(await fleet.refusal(query)).toEqual({
        code: 'CONFLICT',
        message: expect.stringMatching(/20270202000000_broken\.ts must export a class that extends Migration$/),
      });
    }
  });

  it('migrates suspended tenants too, and none that is still being made', async () => {
    const name = await add('CREATE TABLE reached (id int)');
    await setStatus('alpha-db', 'SUSPENDED');
    await setStatus('beta-schema', 'PROVISIONING');
    await fleet.inCatalog('UPDATE tenants SET claimed_by = $2 WHERE slug = $1', [
      'beta-schema',
      fleet.app.services.listener.instance,
    ]);
    const run = await fleet.run();
    const refusal = await fleet.refusal('mutation { runMigrations(input: { tenants: ["beta-schema"] }) { id } }');
    await setStatus('alpha-db', 'ACTIVE');
    await setStatus('beta-schema', 'ACTIVE');
    expect(statuses(run)).toEqual({ 'alpha-db': 'SUCCEEDED', 'gamma-db': 'SUCCEEDED', 'delta-schema': 'SUCCEEDED' });
    expect(await has('alpha-db')).toContain(name);
    expect(await has('beta-schema')).not.toContain(name);
    expect(refusal).toEqual({
      code: 'CONFLICT',
      message: 'These tenants cannot be migrated in their present status: beta-schema (PROVISIONING)',
    });
    expect(await fleet.run()).toMatchObject({ succeeded: 1, skipped: 3 });
  });

  it('warns of a migration that is dated before one that is applied, and applies it', async () => {
    const late = '20261122000000_late';
    await fleet.migrations.add(late, 'CREATE TABLE late (id int)');
    const run = await fleet.run();
    expect(run).toMatchObject({ status: 'SUCCEEDED', succeeded: 4 });
    const warnings = (await fleet.events(run.id)).filter(({ kind }) => kind === 'TENANT_WARNING');
    expect(warnings.map(({ tenant }) => tenant?.slug).sort()).toEqual([...slugs].sort());
    expect(warnings[0]?.message).toMatch(
      /^20261122000000_late is dated before 2027\d+_change, which is applied already$/,
    );
  });
});
