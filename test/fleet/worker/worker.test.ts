import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lockKind } from '../../../src/postgres/sql/advisory-lock.ts';
import { askAsSuperuser } from '../../support/ask-as-superuser.ts';
import { eventually } from '../../support/eventually.ts';
import { Fleet } from '../../support/fleet.ts';
import { startWorker } from '../../support/server-process.ts';
import { startInstalledPostgres, type TestPostgres } from '../../support/start-postgres.ts';

describe('a worker', () => {
  let postgres: TestPostgres;
  let fleet: Fleet;
  let count = 0;

  beforeAll(async () => {
    postgres = await startInstalledPostgres();
    fleet = await Fleet.start({ ...postgres.env, MIGRATION_CONCURRENCY: '1' });
    await fleet.createTenants({ 'one-db': 'DATABASE', 'two-schema': 'SCHEMA', 'three-schema': 'SCHEMA' });
  });
  afterAll(async () => {
    await fleet[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  const add = async (statement: string) => {
    count += 1;
    await fleet.migrations.add(`2027010100000${count}_step`, statement);
  };
  const addTable = () => add(`CREATE TABLE step_${count} (id int)`);
  /** Does something in `auth` as its owner. */
  const asOwner = async (sql: string) => {
    const owner = await fleet.session('auth');
    await owner.query(sql);
    await fleet.end(owner);
  };

  it('writes down what no text of PostgreSQL can hold, and goes on', async () => {
    const name = '20270101000009_zero';
    await fleet.migrations.addClass(
      name,
      `override async up() { await this.execute('SELECT 1'); throw new Error('zero\\0byte'); }`,
    );
    const run = await fleet.run();
    expect(run).toMatchObject({ status: 'FAILED', failed: 3, pending: 0 });
    for (const { error } of run.items.nodes) expect(error).toMatch(`${name} failed: zerobyte`);
    await fleet.migrations.remove(name);
  });

  it('is not held up by runs that are deleted after it has claimed their tenants', async () => {
    await addTable();
    await asOwner(
      `CREATE FUNCTION delete_run() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
         BEGIN
           PERFORM pg_advisory_xact_lock(4711);
           DELETE FROM migration_runs WHERE id = new.run_id;
           RETURN NULL;
         END $$;
       CREATE TRIGGER delete_run AFTER UPDATE OF status ON migration_run_items
         FOR EACH ROW WHEN (new.status = 'RUNNING') EXECUTE FUNCTION delete_run()`,
    );
    // Not before the mutation that starts the run has answered with it.
    const holding = await fleet.session('auth');
    await holding.query('SELECT pg_advisory_lock(4711)');
    // It holds two tenants at most, so that with these it would have no room for others.
    const id = await fleet.startRun();
    await fleet.end(holding);
    await eventually('the run is gone', async () => {
      const [row] = await fleet.inCatalog<{ runs: number }>(
        `SELECT count(*)::int AS runs FROM migration_runs WHERE id = '${id}'`,
      );
      return row?.runs === 0;
    });
    await asOwner('DROP FUNCTION delete_run CASCADE');
    expect(await fleet.run()).toMatchObject({ status: 'SUCCEEDED', succeeded: 3 });
  });

  it('lets PostgreSQL drop the locks of a migration within seconds when the machine is gone', async () => {
    await add(
      `CREATE TABLE silence AS SELECT sum(setting::int)::int AS seconds FROM pg_settings
       WHERE name IN ('tcp_keepalives_idle', 'tcp_keepalives_interval')`,
    );
    await fleet.run();
    expect(await fleet.inTenant('one-db', 'SELECT seconds FROM silence')).toEqual([{ seconds: 6 }]);
    expect(await fleet.inTenant('two-schema', 'SELECT seconds FROM silence')).toEqual([{ seconds: 6 }]);
  });

  it('claims nothing while its liveness lock is lost', async () => {
    await addTable();
    const { listener } = fleet.app.services;
    await asOwner(
      `CREATE TABLE claims (claimed_by int);
       CREATE FUNCTION note_claim() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
         BEGIN INSERT INTO claims VALUES (new.claimed_by); RETURN NULL; END $$;
       CREATE TRIGGER note_claim AFTER UPDATE OF status ON migration_run_items
         FOR EACH ROW WHEN (new.status = 'RUNNING') EXECUTE FUNCTION note_claim()`,
    );
    // The owner holds the lock, so the process cannot take it again.
    const owner = await fleet.session('auth');
    const lock = `${lockKind.alive}, ${listener.instance}`;
    await askAsSuperuser(
      fleet.app,
      `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = ${lockKind.alive}`,
    );
    await owner.query(`SELECT pg_advisory_lock(${lock})`);
    await eventually('the loss is noticed', async () => !listener.connected);
    const run = await fleet.startRun();
    await using worker = await startWorker({
      NODE_ENV: 'test',
      LOG_LEVEL: 'warn',
      TENANT_MIGRATIONS_DIR: fleet.migrations.path,
      ...postgres.env,
    });
    await eventually('the other worker has done it all', async () => (await fleet.runNow(run)).succeeded === 3);
    const { rows } = await owner.query(`SELECT FROM claims WHERE claimed_by = ${listener.instance}`);
    expect(rows).toEqual([]);
    expect(await worker.end('SIGTERM')).toBe(0);
    await owner.query(`SELECT pg_advisory_unlock(${lock})`);
    await fleet.end(owner);
    // Afterwards it works again.
    await addTable();
    expect(await fleet.run()).toMatchObject({ status: 'SUCCEEDED', succeeded: 3 });
  });
});
