import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lockKind } from '../../src/postgres/sql/advisory-lock.ts';
import { eventually } from '../support/eventually.ts';
import { Fleet } from '../support/fleet.ts';
import { startWorker } from '../support/server-process.ts';
import { startInstalledPostgres, type TestPostgres } from '../support/start-postgres.ts';

describe('a worker that is killed in a batch that is not transactional', () => {
  let postgres: TestPostgres;
  /** Serves, and works on no runs. */
  let fleet: Fleet;
  let dataDir: string;

  beforeAll(async () => {
    dataDir = await mkdtemp(path.join(tmpdir(), 'tenantry-killed-'));
    postgres = await startInstalledPostgres();
    fleet = await Fleet.start({ ...postgres.env, WORKER: 'off' });
    await fleet.createTenants({ 'own-database': 'DATABASE', 'own-schema': 'SCHEMA' });
  });
  afterAll(async () => {
    await fleet[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  });

  const startOne = () =>
    startWorker({
      NODE_ENV: 'test',
      LOG_LEVEL: 'silent',
      DATA_DIR: dataDir,
      TENANT_MIGRATIONS_DIR: fleet.migrations.path,
      ...postgres.env,
    });

  it.each([
    ['own-database', '20270101'],
    ['own-schema', '20270102'],
  ])('leaves a tenant that another brings to the new version: %s', async (slug, day) => {
    const [first, second] = [`${day}000000_table`, `${day}000001_index`];
    await fleet.inTenant(
      slug,
      `INSERT INTO products (sku, name, price, currency, stock) VALUES ('before', 'n', 1, 'EUR', 1)`,
    );
    await fleet.migrations.add(
      first,
      'CREATE TABLE before_index AS SELECT 1 AS id',
      'UPDATE products SET stock = stock + 1',
    );
    await fleet.migrations.addClass(
      second,
      `isTransactional() { return false; }
       up() { this.addSql('CREATE INDEX CONCURRENTLY by_stock ON products (stock)'); this.addSql('SELECT pg_sleep(2)'); }`,
    );
    await using worker = await startOne();
    const run = await fleet.startRun(`tenants: ["${slug}"]`);
    const watcher = await fleet.session('postgres');
    // The worker builds its template too.
    await eventually('the step has built its index, and is not recorded', async () => {
      const { rowCount } = await watcher.query(
        `SELECT FROM pg_stat_activity
         WHERE query = 'SELECT pg_sleep(2)' AND state = 'active' AND datname NOT LIKE '%template%'`,
      );
      return rowCount === 1;
    });
    await worker.end('SIGKILL');
    await using other = await startOne();
    await eventually('the run has ended', async () => (await fleet.runNow(run)).endedAt !== null);
    expect(await fleet.runNow(run)).toMatchObject({ status: 'SUCCEEDED', succeeded: 1 });
    await eventually('no copy is left', async () => {
      const left = await fleet.inCatalog(`SELECT FROM pg_database WHERE datname LIKE 'snap%'`);
      return left.length === 0;
    });
    expect(await fleet.inCatalog('SELECT status FROM tenants WHERE slug = $1', [slug])).toEqual([{ status: 'ACTIVE' }]);
    expect(await fleet.inCatalog('SELECT FROM tenant_maintenances')).toEqual([]);
    expect(
      await fleet.inTenant(
        slug,
        `SELECT stock, (SELECT count(*)::int FROM before_index) AS times,
           (SELECT array_agg(indisvalid) FROM pg_index WHERE indexrelid = 'by_stock'::regclass) AS valid FROM products`,
      ),
    ).toEqual([{ stock: 2, times: 1, valid: [true] }]);
    const { errors } = await fleet.app.ask('{ products { totalCount } }', await fleet.app.tokenFor(slug));
    expect(errors).toBeUndefined();
    await other.end('SIGTERM');
    await fleet.migrations.remove(first, second);
  });

  /** Waits until a tenant's migration has come to a statement; the worker builds its template too. */
  const reaches = (statement: string) =>
    eventually(`it comes to ${statement}`, async () => {
      const rows = await postgres.rows(
        `SELECT FROM pg_stat_activity WHERE query = $1 AND state = 'active' AND datname NOT LIKE '%template%'`,
        [statement],
      );
      return rows.length === 1;
    });

  it.each(['DATABASE', 'SCHEMA'] as const)(
    'leaves a tenant that is as it was before when the run is cancelled: %s',
    async (isolation) => {
      const slug = `cancelled-${isolation.toLowerCase()}`;
      const names = ['20270103000000_table', '20270103000001_index'] as const;
      await fleet.createTenants({ [slug]: isolation });
      await fleet.migrations.addReversible(names[0], 'CREATE TABLE one (id int)', 'DROP TABLE one');
      await fleet.migrations.addClass(
        names[1],
        `isTransactional() { return false; }
         up() { this.addSql('CREATE INDEX CONCURRENTLY one_id ON one (id)'); this.addSql('SELECT pg_sleep(1.1)'); }
         down() { this.addSql('DROP INDEX CONCURRENTLY one_id'); this.addSql('SELECT pg_sleep(1.2)'); }`,
      );
      const facts = async () => {
        const [row] = await fleet.inTenant<{ there: string }>(
          slug,
          `SELECT concat_ws(' ', to_regclass('one'), to_regclass('one_id')) AS there`,
        );
        const { items } = await fleet.runNow(run);
        return { there: row?.there, applied: (await fleet.applied(slug)).slice(-2), status: items.nodes[0]?.status };
      };
      /** Kills the worker in the middle, and has another one there when the run is cancelled. */
      const interrupt = async (statement: string) => {
        await using worker = await startOne();
        await reaches(statement);
        await worker.end('SIGKILL');
        await fleet.cancel(run);
        await using other = await startOne();
        await fleet.events(run);
        await other.end('SIGTERM');
      };
      const before = (await fleet.applied(slug)).slice(-2);
      let run = await fleet.startRun(`tenants: ["${slug}"]`);
      await interrupt('SELECT pg_sleep(1.1)');
      expect(await facts()).toEqual({ there: '', applied: before, status: 'CANCELLED' });
      await using worker = await startOne();
      expect(await fleet.resume(run)).toMatchObject({ status: 'SUCCEEDED', succeeded: 1 });
      await worker.end('SIGTERM');
      expect(await facts()).toEqual({ there: 'one one_id', applied: names, status: 'SUCCEEDED' });
      const undo = `mutation { undoMigrationRun(id: "${run}") { id } }`;
      run = (await fleet.ask<{ undoMigrationRun: { id: string } }>(undo)).undoMigrationRun.id;
      await interrupt('SELECT pg_sleep(1.2)');
      expect(await facts()).toEqual({ there: 'one one_id', applied: names, status: 'CANCELLED' });
      await fleet.migrations.remove(...names);
    },
  );

  it.each(['DATABASE', 'SCHEMA'] as const)(
    'does not have something else of the same name taken for the index that it was to build: %s',
    async (isolation) => {
      const name = '20270103000000_taken';
      const slug = `taken-${isolation.toLowerCase()}`;
      await fleet.createTenants({ [slug]: isolation });
      await fleet.inTenant(slug, 'CREATE TABLE taken (id int)');
      await fleet.migrations.addClass(
        name,
        `isTransactional() { return false; }
         up() { this.addSql('SELECT pg_sleep(1)'); this.addSql('CREATE INDEX CONCURRENTLY taken ON products (stock)'); }`,
      );
      await using worker = await startOne();
      const run = await fleet.startRun(`tenants: ["${slug}"]`);
      await reaches('SELECT pg_sleep(1)');
      await worker.end('SIGKILL');
      await using other = await startOne();
      await eventually('the run has ended', async () => (await fleet.runNow(run)).endedAt !== null);
      const { status, items } = await fleet.runNow(run);
      expect(status).toBe('FAILED');
      expect(items.nodes[0]?.error).toMatch('relation "taken" already exists');
      await other.end('SIGTERM');
      await fleet.migrations.remove(name);
    },
  );

  it('is not ended twice, by somebody who held its process for dead and comes when another has ended it', async () => {
    const slug = 'ended-twice';
    await fleet.createTenants({ [slug]: 'DATABASE' });
    const { id, database } = await fleet.tenant(slug);
    const copy = 'snap_0000000000';
    await postgres.rows(`CREATE DATABASE ${copy} TEMPLATE ${database}`);
    await fleet.inCatalog(
      `INSERT INTO tenant_maintenances (tenant_id, copy, copy_state, status_before, claimed_by, phase)
       SELECT id, $2, migration_state, status, 1, 'COPIED' FROM tenants WHERE id = $1`,
      [id, copy],
    );
    await fleet.inCatalog(`UPDATE tenants SET status = 'MAINTENANCE' WHERE id = $1`, [id]);
    const locks = `WHERE locktype = 'advisory' AND classid = ${lockKind.placement}`;
    const other = await postgres.connect();
    const key = `${lockKind.placement}, hashtext('${database.slice(3)}')`;
    await other.query(`SELECT pg_advisory_lock(${key})`);
    await using _worker = await startOne();
    await eventually('the worker is about to end it', async () => {
      return (await postgres.rows(`SELECT FROM pg_locks ${locks} AND NOT granted`)).length === 1;
    });
    // As the other leaves it.
    await other.query(`DROP DATABASE ${copy}`);
    await fleet.inCatalog(`UPDATE tenants SET status = 'ACTIVE' WHERE id = $1`, [id]);
    await fleet.inCatalog('DELETE FROM tenant_maintenances');
    await other.query(`SELECT pg_advisory_unlock(${key})`);
    await eventually('the worker has come to its end, too', async () => {
      return (await postgres.rows(`SELECT FROM pg_locks ${locks}`)).length === 0;
    });
    const { errors } = await fleet.app.ask('{ products { totalCount } }', await fleet.app.tokenFor(slug));
    expect(errors).toBeUndefined();
  });
});
