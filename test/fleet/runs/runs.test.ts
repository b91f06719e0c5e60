import { describe, expect, it } from 'vitest';
import { kindsOf, statusesOf } from '../../support/fleet.ts';
import { useMixedFleet } from '../../support/use-mixed-fleet.ts';

const fixture = '20261121000000_fixture';

describe('a run over a fleet of both isolations', () => {
  const used = useMixedFleet();
  const { slugs, tried, add } = used;
  /** A migration that fails in those tenants only, until their data is corrected. */
  const addFailingIn = async (...failing: string[]) => {
    await mend();
    for (const slug of failing) {
      await used.fleet.inTenant(
        slug,
        `INSERT INTO products (sku, name, price, currency, stock) VALUES ('sick', 'n', 0, 'EUR', 1)`,
      );
    }
    const name = await add(`DO $$ BEGIN IF EXISTS (SELECT FROM products) THEN RAISE 'on purpose'; END IF; END $$`);
    tried.push(name);
    return name;
  };
  const mend = async () => {
    for (const slug of slugs) await used.fleet.inTenant(slug, 'DELETE FROM products');
  };
  const setStatus = (slug: string, status: string) =>
    used.fleet.inCatalog('UPDATE tenants SET status = $2 WHERE slug = $1', [slug, status]);

  it('tries everything in a dry run, tells what would fail, and changes nothing', async () => {
    const fine = await add('CREATE TABLE noted (id int)');
    tried.push(fine);
    const bad = await addFailingIn('beta-schema');
    const run = await used.fleet.run('dryRun: true');
    expect(run).toMatchObject({ status: 'FAILED', dryRun: true, succeeded: 3, failed: 1, skipped: 0, pending: 0 });
    const events = await used.fleet.events(run.id);
    expect(events[0]?.message).toMatch(/^4 tenants, dry run$/);
    expect(kindsOf(events, 'alpha-db')).toEqual([
      'TENANT_STARTED',
      'MIGRATION_APPLIED',
      'MIGRATION_APPLIED',
      'TENANT_SUCCEEDED',
    ]);
    expect(events.filter(({ kind }) => kind === 'MIGRATION_APPLIED').map(({ message }) => message)).toEqual(
      Array(6).fill(expect.stringMatching(/^tried and rolled back in \d+ ms$/)),
    );
    expect(events.find(({ kind }) => kind === 'TENANT_FAILED')).toMatchObject({
      tenant: { slug: 'beta-schema' },
      migration: bad,
      message: expect.stringMatching(`^${bad} failed: on purpose, in line 2: DO `),
    });
    for (const slug of slugs) {
      expect(await used.fleet.applied(slug), slug).toEqual([fixture]);
      expect(
        await used.fleet.inTenant(
          slug,
          `SELECT to_regclass('noted') AS noted, (SELECT count(*)::int FROM migration_history WHERE status <> 'APPLIED') AS failures`,
        ),
      ).toEqual([{ noted: null, failures: 0 }]);
      expect(await used.fleet.versionOf(slug)).toEqual({ version: fixture, behind: 2 });
    }
  });

  it('goes as far as it is told, and later from there', async () => {
    const first = await add('CREATE TABLE first_step (id int)');
    const second = await add('CREATE TABLE second_step (id int)');
    expect(await used.fleet.run(`to: "${first}"`)).toMatchObject({ status: 'SUCCEEDED', succeeded: 4 });
    for (const slug of slugs) expect(await used.fleet.applied(slug), slug).toEqual([fixture, first]);
    expect(await used.fleet.run(`to: "${first}"`)).toMatchObject({ skipped: 4, succeeded: 0 });
    expect(await used.fleet.run()).toMatchObject({ status: 'SUCCEEDED', succeeded: 4 });
    for (const slug of slugs) expect(await used.fleet.applied(slug), slug).toEqual([fixture, first, second]);
    expect(await used.fleet.refusal('mutation { runMigrations(input: { to: "nonsense" }) { id } }')).toEqual({
      code: 'BAD_USER_INPUT',
      message: `There is no tenant migration nonsense; the newest is ${second}`,
    });
  });

  it('takes the tenants that are named, by id or slug, and each only once', async () => {
    const name = await add('CREATE TABLE chosen (id int)');
    const { id } = await used.fleet.tenant('alpha-db');
    const run = await used.fleet.run(`tenants: ["${id}", "beta-schema", "alpha-db", "${id.toUpperCase()}"]`);
    expect(run).toMatchObject({ status: 'SUCCEEDED', total: 2, succeeded: 2 });
    expect(statusesOf(run)).toEqual({ 'alpha-db': 'SUCCEEDED', 'beta-schema': 'SUCCEEDED' });
    expect(await used.fleet.applied('alpha-db')).toContain(name);
    expect(await used.fleet.applied('gamma-db')).not.toContain(name);
    expect(await used.fleet.run()).toMatchObject({ total: 4, succeeded: 2, skipped: 2 });
  });

  it('is refused if a tenant is unknown, or a canary is none of its tenants, and starts nothing', async () => {
    const runs = async () =>
      (await used.fleet.ask<{ migrationRuns: { totalCount: number } }>('{ migrationRuns { totalCount } }'))
        .migrationRuns;
    const before = await runs();
    expect(
      await used.fleet.refusal('mutation { runMigrations(input: { tenants: ["alpha-db", "nobody", "x"] }) { id } }'),
    ).toEqual({
      code: 'NOT_FOUND',
      message: 'There is no tenant nobody, x',
    });
    for (const [field, value] of Object.entries({ concurrency: 0, maxFailures: -1 })) {
      expect(
        await used.fleet.refusal(`mutation { runMigrations(input: { ${field}: ${value} }) { id } }`),
      ).toMatchObject({
        code: 'BAD_USER_INPUT',
        message: expect.stringContaining(field),
      });
    }
    expect(
      await used.fleet.refusal(
        `mutation { runMigrations(input: { tenants: ["alpha-db"], canaries: ["gamma-db", "alpha-db", "beta-schema"] }) { id } }`,
      ),
    ).toEqual({
      code: 'BAD_USER_INPUT',
      message: 'Canaries must be tenants of the run, but these are not: gamma-db, beta-schema',
    });
    expect(await runs()).toEqual(before);
  });

  it('ends at once, well, if it has no tenants', async () => {
    const run = await used.fleet.run('tenants: []');
    expect(run).toMatchObject({
      status: 'SUCCEEDED',
      total: 0,
      startedAt: expect.any(String),
      endedAt: expect.any(String),
      items: { totalCount: 0 },
    });
    expect((await used.fleet.events(run.id)).map(({ kind, done, total }) => [kind, done, total])).toEqual([
      ['RUN_STARTED', 0, 0],
      ['RUN_ENDED', 0, 0],
    ]);
  });

  it('stops starting tenants when more have failed than may', async () => {
    await addFailingIn('alpha-db', 'gamma-db');
    const run = await used.fleet.run('maxFailures: 1, concurrency: 1');
    expect(run).toMatchObject({ status: 'HALTED', succeeded: 1, failed: 2, cancelled: 1, pending: 0 });
    expect(statusesOf(run)).toEqual({
      'alpha-db': 'FAILED',
      'beta-schema': 'SUCCEEDED',
      'gamma-db': 'FAILED',
      'delta-schema': 'CANCELLED',
    });
    const events = await used.fleet.events(run.id);
    expect(kindsOf(events, 'delta-schema')).toEqual([]);
    expect(events.at(-1)).toMatchObject({
      kind: 'RUN_ENDED',
      done: 3,
      total: 4,
      message: '1 succeeded, 2 failed, 0 skipped, 1 not started',
    });
    // What a tenant has stays in the folder from here on.
    tried.length = 0;
    await mend();
    expect(await used.fleet.run('maxFailures: 0')).toMatchObject({ status: 'SUCCEEDED', succeeded: 3, skipped: 1 });
  });

  it('stops at the first failure if it is told to', async () => {
    await addFailingIn('alpha-db');
    const run = await used.fleet.run('continueOnError: false, maxFailures: 9, concurrency: 1');
    expect(run).toMatchObject({ status: 'HALTED', succeeded: 0, failed: 1, cancelled: 3 });
    expect(await used.fleet.run('continueOnError: true, maxFailures: 1, dryRun: true')).toMatchObject({
      status: 'FAILED',
      succeeded: 3,
      failed: 1,
    });
  });

  it('migrates suspended tenants too, and none that is still being made', async () => {
    const name = await add('CREATE TABLE reached (id int)');
    await setStatus('alpha-db', 'SUSPENDED');
    await setStatus('beta-schema', 'PROVISIONING');
    await used.fleet.inCatalog('UPDATE tenants SET claimed_by = $2 WHERE slug = $1', [
      'beta-schema',
      used.fleet.app.services.listener.instance,
    ]);
    const run = await used.fleet.run();
    const refusal = await used.fleet.refusal('mutation { runMigrations(input: { tenants: ["beta-schema"] }) { id } }');
    await setStatus('alpha-db', 'ACTIVE');
    await setStatus('beta-schema', 'ACTIVE');
    expect(statusesOf(run)).toEqual({ 'alpha-db': 'SUCCEEDED', 'gamma-db': 'SUCCEEDED', 'delta-schema': 'SUCCEEDED' });
    expect(await used.fleet.applied('alpha-db')).toContain(name);
    expect(await used.fleet.applied('beta-schema')).not.toContain(name);
    expect(refusal).toEqual({
      code: 'CONFLICT',
      message: 'These tenants cannot be migrated in their present status: beta-schema (PROVISIONING)',
    });
    expect(await used.fleet.run()).toMatchObject({ succeeded: 1, skipped: 3 });
  });
});
