import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { Fleet, kindsOf, statusesOf } from '../../support/fleet.ts';
import { startWorker } from '../../support/server-process.ts';
import { startInstalledPostgres, type TestPostgres } from '../../support/start-postgres.ts';

/** It ends where there is a product. */
const waits = 'SELECT pg_sleep(3600) WHERE NOT EXISTS (SELECT FROM products)';

describe.each([
  ['a statement', `override up() { this.addSql('CREATE TABLE half (id int)'); this.addSql('${waits}'); }`],
  [
    'its own code',
    `override async up() {
       await this.execute('CREATE TABLE half (id int)');
       const ends = await this.execute('SELECT 3600 FROM products');
       if (ends.length === 0) await new Promise(() => setInterval(() => undefined, 1000));
     }`,
  ],
])('a run in which %s does not end', (_what, body) => {
  const name = '20270101000000_endless';
  let postgres: TestPostgres;
  let fleet: Fleet;
  let owner: pg.Client;
  beforeAll(async () => {
    postgres = await startInstalledPostgres();
    fleet = await Fleet.start({ ...postgres.env, WORKER: 'off' });
    owner = await fleet.session('auth');
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
      SHUTDOWN_SECONDS: '1',
      TENANT_MIGRATIONS_DIR: fleet.migrations.path,
      ...postgres.env,
    });
  /** Sessions in which a tenant is being migrated; the worker builds its template too. */
  const underWay = async () => {
    const { rows } = await owner.query(
      `SELECT FROM pg_stat_activity WHERE query ~ '(SELECT |sleep\\()3600' AND datname NOT LIKE '%template%' AND pid <> pg_backend_pid()`,
    );
    return rows.length;
  };

  it('is cancelled all the same, and nothing of it is left', async () => {
    await fleet.migrations.addClass(name, body);
    await using _worker = await startOne();
    const id = await fleet.startRun();
    await eventually('both are under way', async () => (await underWay()) === 2);
    await fleet.cancel(id);
    const events = await fleet.events(id);
    expect(kindsOf(events, 'one-db')).toEqual(['TENANT_STARTED', 'TENANT_RETRYING']);
    expect(events.find(({ kind }) => kind === 'TENANT_RETRYING')?.message).toBe(
      'it did not finish within 1 s after its run was cancelled',
    );
    const run = await fleet.runNow(id);
    expect(run).toMatchObject({ status: 'CANCELLED', cancelled: 2, failed: 0, pending: 0 });
    await eventually('nobody works on them any more', async () => (await underWay()) === 0);
    for (const slug of ['one-db', 'two-schema']) {
      expect(await fleet.inTenant(slug, `SELECT to_regclass('half')::text AS half`)).toEqual([{ half: null }]);
    }
  });

  it('does not keep its worker from stopping, and the next one goes on', async () => {
    await fleet.migrations.addClass(name, body);
    const worker = await startOne();
    const id = await fleet.startRun();
    await eventually('both are under way', async () => (await underWay()) === 2);
    expect(await worker.end('SIGTERM')).toBe(0);
    expect(await underWay()).toBe(0);
    const run = await fleet.runNow(id);
    expect(run).toMatchObject({ status: 'RUNNING', pending: 2 });
    expect(statusesOf(run)).toEqual({ 'one-db': 'PENDING', 'two-schema': 'PENDING' });
    for (const slug of ['one-db', 'two-schema']) {
      await fleet.inTenant(
        slug,
        `INSERT INTO products (sku, name, price, currency, stock) VALUES ('x', 'x', 1, 'EUR', 1)`,
      );
    }
    await using _next = await startOne();
    const events = await fleet.events(id);
    expect(kindsOf(events, 'one-db')).toEqual([
      'TENANT_STARTED',
      'TENANT_RETRYING',
      'MIGRATION_APPLIED',
      'TENANT_SUCCEEDED',
    ]);
    expect(await fleet.runNow(id)).toMatchObject({ status: 'SUCCEEDED', succeeded: 2 });
  });
});
