import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { Fleet, progressQuery, type ShownEvent } from '../../support/fleet.ts';
import { startServer } from '../../support/server-process.ts';
import { startInstalledPostgres, type TestPostgres } from '../../support/start-postgres.ts';

describe('a run whose process is killed', () => {
  let postgres: TestPostgres;
  /** Asks, and carries out nothing. */
  let fleet: Fleet;
  let dataDir: string;

  beforeAll(async () => {
    dataDir = await mkdtemp(path.join(tmpdir(), 'tenantry-killed-'));
    postgres = await startInstalledPostgres();
    fleet = await Fleet.start({ ...postgres.env, WORKER: 'off' });
  });
  afterAll(async () => {
    await fleet[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  });

  const startOne = () =>
    startServer({
      NODE_ENV: 'test',
      LOG_LEVEL: 'silent',
      GRAPHIQL: 'false',
      DATA_DIR: dataDir,
      TENANT_MIGRATIONS_DIR: fleet.migrations.path,
      MIGRATION_LOCK_TIMEOUT_MS: '60000',
      ...postgres.env,
    });

  it('is taken over by another process, and no tenant is migrated twice', async () => {
    const slugs = ['told', 'untold-db', 'untold-schema', 'under-way', 'not-started'];
    await fleet.createTenants({
      told: 'DATABASE',
      'untold-db': 'DATABASE',
      'untold-schema': 'SCHEMA',
      'under-way': 'DATABASE',
      'not-started': 'SCHEMA',
    });
    const [name, counted] = ['20270101000001_count', '20270101000002_block'];
    await fleet.migrations.add(name, 'CREATE TABLE counted (at timestamptz)', 'INSERT INTO counted VALUES (now())');
    await fleet.migrations.add(counted, 'ALTER TABLE products ADD COLUMN extra int');
    const blockers = new Map(
      await Promise.all(
        ['untold-db', 'under-way'].map(async (slug) => {
          const session = await fleet.sessionIn(slug);
          await session.query('BEGIN; LOCK TABLE products IN ACCESS SHARE MODE');
          return [slug, session] as const;
        }),
      ),
    );
    const release = async (slug: string) => {
      const session = blockers.get(slug);
      if (session) await fleet.end(session);
    };
    await using server = startOne();
    const http = await server.listening();
    const { data } = await http.ask<{ runMigrations: { id: string } }>(
      'mutation { runMigrations(input: { concurrency: 1 }) { id } }',
      fleet.app.admin,
    );
    const run = data?.runMigrations.id ?? '';
    const seen: ShownEvent[] = [];
    const watched = http.subscribe<{ migrationProgress: ShownEvent }>(progressQuery(run), fleet.app.admin);
    for await (const result of watched) {
      if (result.data) seen.push(result.data.migrationProgress);
      if (seen.at(-1)?.tenant?.slug === 'untold-db') break;
    }
    // From here on the process can migrate tenants, but cannot tell anyone.
    const silencer = await fleet.session('auth');
    await silencer.query('BEGIN');
    await silencer.query('SELECT FROM migration_runs WHERE id = $1 FOR UPDATE', [run]);
    await release('untold-db');
    await eventually('the tenant after those that nobody was told of is under way', async () => {
      const [row] = await fleet.inTenant<{ waiting: boolean }>(
        'under-way',
        `SELECT count(*) > 0 AS waiting FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'ALTER TABLE products%'`,
      );
      return row?.waiting;
    });
    await server.end('SIGKILL');
    await fleet.end(silencer);
    await release('under-way');
    await using other = startOne();
    await other.listening();

    // The other process tells the rest to whoever watched the dead one.
    const rest = await fleet.events(run, seen.length);
    const events = [...seen, ...rest];
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    expect(events.filter(({ kind }) => kind === 'TENANT_SUCCEEDED').map(({ tenant }) => tenant?.slug)).toEqual(slugs);
    expect(events.filter(({ kind }) => kind === 'MIGRATION_APPLIED')).toHaveLength(2 * slugs.length);
    expect(events.at(-1)).toMatchObject({ kind: 'RUN_ENDED', done: 5, total: 5 });
    const ended = await fleet.runNow(run);
    expect(ended).toMatchObject({ status: 'SUCCEEDED', total: 5, succeeded: 5, failed: 0, skipped: 0, pending: 0 });
    for (const { applied } of ended.items.nodes) expect(applied).toEqual([name, counted]);
    for (const slug of slugs) {
      expect(
        await fleet.inTenant(
          slug,
          `SELECT (SELECT count(*)::int FROM counted) AS times, array_agg(name ORDER BY id) AS applied FROM migration_history WHERE run = '${run}'`,
        ),
        slug,
      ).toEqual([{ times: 1, applied: [name, counted] }]);
    }
    // And what the dead process did is in the fleet's history too.
    const { migrationHistory } = await fleet.ask<{ migrationHistory: { totalCount: number } }>(
      '{ migrationHistory(status: APPLIED) { totalCount } }',
    );
    expect(migrationHistory.totalCount).toBe(2 * slugs.length);
  });

  it('is told what the dead process has done, also when the run is cancelled meanwhile, and begins nothing', async () => {
    const slugs = ['committed', 'waiting-db', 'waiting-schema'];
    await fleet.createTenants({ committed: 'SCHEMA', 'waiting-db': 'DATABASE', 'waiting-schema': 'SCHEMA' });
    const name = '20270101000003_cancelled';
    await fleet.migrations.add(name, 'ALTER TABLE products ADD COLUMN cancelled int');
    const block = async (slug: string) => {
      const session = await fleet.sessionIn(slug);
      await session.query('BEGIN; LOCK TABLE products IN ACCESS SHARE MODE');
      return session;
    };
    const [blocker, next] = [await block('committed'), await block('waiting-db')];
    await using server = startOne();
    const http = await server.listening();
    const { data } = await http.ask<{ runMigrations: { id: string } }>(
      `mutation { runMigrations(input: { concurrency: 1, tenants: ${JSON.stringify(slugs)} }) { id } }`,
      fleet.app.admin,
    );
    const run = data?.runMigrations.id ?? '';
    for await (const { kind } of fleet.follow(run)) if (kind === 'TENANT_STARTED') break;
    const silencer = await fleet.session('auth');
    await silencer.query('BEGIN');
    await silencer.query('SELECT FROM migration_runs WHERE id = $1 FOR UPDATE', [run]);
    const cancelled = fleet.cancel(run);
    await eventually('the cancellation waits for the run', async () => {
      const [row] = await fleet.inCatalog<{ waiting: boolean }>(
        `SELECT count(*) > 0 AS waiting FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%stopping%'`,
      );
      return row?.waiting;
    });
    await fleet.end(blocker);
    await eventually('the tenant is migrated', async () => {
      const [row] = await fleet.inTenant<{ there: boolean }>(
        'committed',
        `SELECT count(*) > 0 AS there FROM migration_history WHERE name = '${name}'`,
      );
      return row?.there;
    });
    await server.end('SIGKILL');
    await eventually('PostgreSQL has ended what the dead process had begun', async () => {
      const [row] = await fleet.inCatalog<{ gone: boolean }>(
        `SELECT count(*) = 0 AS gone FROM pg_stat_activity JOIN tenants ON database = datname
         WHERE slug = 'waiting-db' AND application_name = 'tenantry'`,
      );
      return row?.gone;
    });
    await fleet.end(next);
    await fleet.end(silencer);
    await using other = startOne();
    await other.listening();

    expect(await cancelled).toBe(true);
    const events = await fleet.events(run);
    expect(events.at(-1)).toMatchObject({ kind: 'RUN_ENDED', done: 1, total: 3 });
    const ended = await fleet.runNow(run);
    expect(ended).toMatchObject({ status: 'CANCELLED', succeeded: 1, cancelled: 2, pending: 0 });
    expect(ended.items.nodes.map(({ status, applied }) => [status, applied])).toEqual([
      ['SUCCEEDED', [name]],
      ['CANCELLED', []],
      ['CANCELLED', []],
    ]);
    const { tenant } = await fleet.ask<{ tenant: { behind: number } }>('{ tenant(slug: "committed") { behind } }');
    expect(tenant.behind).toBe(0);
    expect(await fleet.resume(run)).toMatchObject({ status: 'SUCCEEDED', succeeded: 3 });
  });
});
