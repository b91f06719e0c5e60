import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { Fleet } from '../../support/fleet.ts';
import { startWorker } from '../../support/server-process.ts';
import { startInstalledPostgres, type TestPostgres } from '../../support/start-postgres.ts';

describe('a worker that is killed', () => {
  let postgres: TestPostgres;
  /** Asks, and carries out nothing. */
  let fleet: Fleet;

  beforeAll(async () => {
    postgres = await startInstalledPostgres();
    fleet = await Fleet.start({ ...postgres.env, WORKER: 'off' });
    await fleet.createTenants({ 'one-db': 'DATABASE', 'two-schema': 'SCHEMA' });
  });
  afterAll(async () => {
    await fleet[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  const startOne = () =>
    startWorker({
      NODE_ENV: 'test',
      LOG_LEVEL: 'warn',
      TENANT_MIGRATIONS_DIR: fleet.migrations.path,
      ...postgres.env,
    });
  const ended = async (run: string) => !['PENDING', 'RUNNING'].includes((await fleet.runNow(run)).status);

  it('leaves no statement behind that would keep the next one from the tenant', async () => {
    const name = '20270101000001_long';
    await fleet.migrations.add(
      name,
      "SELECT pg_sleep(600) WHERE current_database() !~ 'template' AND NOT EXISTS (SELECT FROM products)",
      'CREATE TABLE long (id int)',
    );
    // The catalog's role is not told what other roles do.
    const owner = await fleet.session('auth');
    const sleeping = async () => {
      const { rowCount } = await owner.query(
        `SELECT FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep(600)%'`,
      );
      return rowCount;
    };
    const run = await fleet.startRun();
    await using worker = await startOne();
    await eventually('both tenants are under way', async () => (await sleeping()) === 2);
    await worker.end('SIGKILL');
    await eventually('PostgreSQL has ended what they did', async () => (await sleeping()) === 0);
    for (const slug of ['one-db', 'two-schema']) {
      await fleet.inTenant(
        slug,
        `INSERT INTO products (sku, name, price, currency, stock) VALUES ('x', 'x', 1, 'EUR', 1)`,
      );
    }
    await using _next = await startOne();
    await eventually('the run has ended', () => ended(run));
    expect(await fleet.runNow(run)).toMatchObject({ status: 'SUCCEEDED', succeeded: 2 });
    await fleet.end(owner);
  });

  it('again and again by a migration is not followed for ever: its tenant fails, and the others do not', async () => {
    const name = '20270101000002_deadly';
    await fleet.migrations.addClass(
      name,
      `override async up() {
         const [{ place }] = await this.execute('SELECT current_database() AS place');
         if (place.startsWith('db_')) process.kill(process.pid, 'SIGKILL');
       }`,
    );
    const run = await fleet.startRun('concurrency: 1, continueOnError: true');
    // As if four processes had died of it before.
    const owner = await fleet.session('auth');
    await owner.query(
      'UPDATE migration_run_items SET attempts = 4, started_at = now() WHERE run_id = $1 AND position = 1',
      [run],
    );
    await fleet.end(owner);
    for (let deaths = 0; deaths < 2; deaths += 1) {
      const worker = await startOne().catch(() => undefined);
      if (worker) expect(await worker.ended).toEqual({ code: null, signal: 'SIGKILL' });
    }
    await using _survivor = await startOne();
    await eventually('the run has ended', () => ended(run));
    const { status, items } = await fleet.runNow(run);
    expect(status).toBe('FAILED');
    expect(items.nodes).toMatchObject([
      { tenant: { slug: 'one-db' }, status: 'FAILED', applied: [], error: expect.stringContaining('died') },
      { tenant: { slug: 'two-schema' }, status: 'SUCCEEDED', applied: [name] },
    ]);
    await fleet.migrations.add(name, 'SELECT 1');
    expect(await fleet.resume(run)).toMatchObject({ status: 'SUCCEEDED', succeeded: 2 });
  });
});
