import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CuttingProxy, startCuttingProxy } from '../../support/cutting-proxy.ts';
import { eventually } from '../../support/eventually.ts';
import { Fleet, kindsOf, runFields, type ShownEvent, type ShownRun } from '../../support/fleet.ts';
import { startInstalledPostgres, type TestPostgres } from '../../support/start-postgres.ts';

describe('a run that is interrupted', () => {
  const slugs = ['alpha-db', 'beta-schema', 'gamma-db', 'delta-schema'];
  let postgres: TestPostgres;
  let proxy: CuttingProxy;
  let fleet: Fleet;
  let count = 0;

  beforeAll(async () => {
    postgres = await startInstalledPostgres();
    proxy = await startCuttingProxy(postgres.address.port);
    fleet = await Fleet.start({ ...postgres.envThrough(proxy.port), MIGRATION_LOCK_TIMEOUT_MS: '100' });
    await fleet.createTenants({
      'alpha-db': 'DATABASE',
      'beta-schema': 'SCHEMA',
      'gamma-db': 'DATABASE',
      'delta-schema': 'SCHEMA',
    });
  });
  afterAll(async () => {
    await fleet[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  const addColumn = async (...before: readonly string[]) => {
    count += 1;
    const name = `2027010100000${count}_column`;
    await fleet.migrations.add(name, ...before, `ALTER TABLE products ADD COLUMN extra_${count} int`);
    return name;
  };
  /** Locks a table that the migration changes, until the session ends. */
  const block = async (slug: string): Promise<pg.Client> => {
    const session = await fleet.sessionIn(slug);
    await session.query('BEGIN; LOCK TABLE products IN ACCESS SHARE MODE');
    return session;
  };
  const waitFor = async (run: string, wanted: (event: ShownEvent) => boolean) => {
    for await (const event of fleet.follow(run)) if (wanted(event)) return event;
    throw new Error('The run ended without the event');
  };

  it.each(['alpha-db', 'beta-schema'])(
    'tries again when a table of %s was locked, and succeeds when the lock is gone',
    async (slug) => {
      const name = await addColumn();
      const blocker = await block(slug);
      const run = await fleet.startRun();
      const retrying = await waitFor(run, ({ kind }) => kind === 'TENANT_RETRYING');
      await fleet.end(blocker);
      const events = await fleet.events(run);
      expect(retrying).toMatchObject({
        tenant: { slug },
        message: expect.stringMatching(`^${name} failed: .*lock timeout`),
      });
      expect(kindsOf(events, slug).at(-1)).toBe('TENANT_SUCCEEDED');
      expect(await fleet.runNow(run)).toMatchObject({ status: 'SUCCEEDED', succeeded: 4, failed: 0 });
      const item = (await fleet.runNow(run)).items.nodes.find(({ tenant }) => tenant.slug === slug);
      expect(item).toMatchObject({ status: 'SUCCEEDED', applied: [name], error: null });
      expect(item?.attempts).toBeGreaterThan(1);
    },
  );

  it.each(['gamma-db', 'delta-schema'])(
    'gives %s up when its table stays locked, says why, and holds up no other',
    async (slug) => {
      const name = await addColumn();
      const blocker = await block(slug);
      const run = await fleet.run();
      await fleet.end(blocker);
      expect(run).toMatchObject({ status: 'FAILED', succeeded: 3, failed: 1 });
      const error = `${name} failed: canceling statement due to lock timeout, in line 2: ALTER TABLE products ADD COLUMN extra_${count} int`;
      const item = run.items.nodes.find(({ tenant }) => tenant.slug === slug);
      expect(item).toMatchObject({ status: 'FAILED', attempts: 3, error, applied: [] });
      expect(kindsOf(await fleet.events(run.id), slug)).toEqual([
        'TENANT_STARTED',
        'TENANT_RETRYING',
        'TENANT_RETRYING',
        'TENANT_FAILED',
      ]);
      // One attempt for the history, however often it was tried.
      expect(
        await fleet.inTenant(
          slug,
          `SELECT name, error, run FROM migration_history WHERE status = 'ROLLED_BACK' AND run = '${run.id}'`,
        ),
      ).toEqual([{ name, error, run: run.id }]);
      expect(await fleet.run()).toMatchObject({ status: 'SUCCEEDED', succeeded: 1, skipped: 3 });
    },
  );

  it('works on no more tenants at once than it is told, and on that many', async () => {
    // However slow the machine is, none may give up before three wait.
    await addColumn('SET LOCAL lock_timeout = 0');
    const blockers = await Promise.all(slugs.map(block));
    const admin = await fleet.session('postgres');
    const waiting = async () => {
      const { rowCount } = await admin.query(
        `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%ALTER TABLE products%'`,
      );
      return rowCount === 3;
    };
    const run = await fleet.startRun('concurrency: 3');
    await eventually('three tenants are being migrated', waiting);
    await Promise.all(blockers.map((blocker) => fleet.end(blocker)));
    await fleet.end(admin);
    let [now, peak] = [0, 0];
    for (const { kind } of await fleet.events(run)) {
      if (kind === 'TENANT_STARTED') now += 1;
      if (kind === 'TENANT_SUCCEEDED') now -= 1;
      peak = Math.max(peak, now);
    }
    expect(peak).toBe(3);
    expect(await fleet.runNow(run)).toMatchObject({ status: 'SUCCEEDED', succeeded: 4 });
  });

  it('tells the truth about tenants whose commit was carried out but not answered', async () => {
    const name = await addColumn();
    const before = proxy.cuts;
    proxy.cutAfter('COMMIT', 2, 'auth');
    const run = await fleet.run('concurrency: 1');
    expect(proxy.cuts).toBe(before + 2);
    expect(run).toMatchObject({ status: 'SUCCEEDED', succeeded: 4, skipped: 0, failed: 0 });
    for (const { applied, status } of run.items.nodes)
      expect({ applied, status }).toEqual({ applied: [name], status: 'SUCCEEDED' });
    const events = await fleet.events(run.id);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    expect(events.filter(({ kind }) => kind === 'MIGRATION_APPLIED')).toHaveLength(4);
    const { migrationHistory } = await fleet.ask<{ migrationHistory: { nodes: unknown[] } }>(
      '{ migrationHistory(first: 4) { nodes { name run status tenant { slug } } } }',
    );
    expect(migrationHistory.nodes).toEqual(
      expect.arrayContaining(slugs.map((slug) => ({ name, run: run.id, status: 'APPLIED', tenant: { slug } }))),
    );
  });

  it('takes no more steps back than it is told when a commit was carried out but not answered', async () => {
    const names = ['20270201000000_first', '20270201000001_second', '20270201000002_third'];
    for (const name of names) {
      await fleet.migrations.addReversible(name, `CREATE TABLE "${name}" ()`, `DROP TABLE "${name}"`);
    }
    await fleet.run();
    const before = proxy.cuts;
    proxy.cutAfter('COMMIT', 2, 'auth');
    const { rollbackMigrations: run } = await fleet.ask<{ rollbackMigrations: ShownRun }>(
      `mutation { rollbackMigrations(input: { steps: 2, wait: true }) { ${runFields} } }`,
    );
    expect(proxy.cuts).toBe(before + 2);
    expect(run).toMatchObject({ status: 'SUCCEEDED', succeeded: 4 });
    for (const { applied } of run.items.nodes) expect(applied).toEqual(names.slice(1).reverse());
    for (const slug of slugs) {
      expect(
        (await fleet.applied(slug)).filter((name) => names.includes(name)),
        slug,
      ).toEqual(names.slice(0, 1));
    }
  });
});
