import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { Fleet, statusesOf } from '../../support/fleet.ts';

let fleet: Fleet;

beforeAll(async () => {
  fleet = await Fleet.start({ MIGRATION_CONCURRENCY: '8' });
  await fleet.createTenants({ one: 'SCHEMA', two: 'SCHEMA', three: 'SCHEMA', four: 'SCHEMA' });
  // A sequence counts the attempts, since it is not rolled back.
  const shared = await fleet.session((await fleet.tenant('one')).database);
  await shared.query('CREATE SCHEMA tests; CREATE SEQUENCE tests.attempts');
  await fleet.end(shared);
});

afterAll(() => fleet[Symbol.asyncDispose]());

/** Raises an error with a code in the first attempt, and no more afterwards. */
const failsOnce = (using: string) =>
  `DO $$ BEGIN IF nextval('tests.attempts') = 1 THEN RAISE EXCEPTION USING ${using}; END IF; END $$`;

const restart = () => fleet.inTenant('one', 'ALTER SEQUENCE tests.attempts RESTART');

let count = 0;
const add = async (...statements: readonly string[]) => {
  count += 1;
  await fleet.migrations.add(`2027010100${String(count).padStart(4, '0')}_step`, ...statements);
};

describe('a failure of a migration', () => {
  // https://www.postgresql.org/docs/current/errcodes-appendix.html
  it.each([
    ['a deadlock', `errcode = '40P01', message = 'deadlock detected'`],
    ['a serialization failure', `errcode = '40001', message = 'could not serialize access'`],
    ['a full table of locks', `errcode = '53200', message = 'out of shared memory'`],
    ['too many connections', `errcode = '53300', message = 'too many clients'`],
    ['a row of a catalog that another session changed', `errcode = 'XX000', message = 'tuple concurrently updated'`],
    [
      'a row of a catalog that another session inserted',
      `errcode = '23505', schema = 'pg_catalog', constraint = 'pg_extension_name_index', message = 'duplicate key'`,
    ],
  ])('is tried again if it passes: %s', async (_, using) => {
    await restart();
    await add(failsOnce(using));
    const run = await fleet.run('tenants: ["one"]');
    expect(run.items.nodes).toMatchObject([{ status: 'SUCCEEDED', attempts: 2 }]);
  });

  it.each([
    ['an object that is in use', `errcode = '55006', message = 'object is in use'`],
    ['a duplicate of the tenant’s own', `errcode = '23505', schema = 'tenant_x', constraint = 'pg_key', message = 'x'`],
    ['another internal error', `errcode = 'XX000', message = 'unexpected chunk number'`],
  ])('is not tried again if it stays: %s', async (_, using) => {
    await restart();
    await add(failsOnce(using));
    const run = await fleet.run('tenants: ["one"]');
    expect(run.items.nodes).toMatchObject([{ status: 'FAILED', attempts: 1 }]);
    expect((await fleet.resume(run.id)).status).toBe('SUCCEEDED');
  });

  // https://www.postgresql.org/docs/current/sql-alterdatabase.html: the settings of a database are one row of a catalog.
  it('that tenants of a database cause each other ends, since the attempts take turns', async () => {
    await add(
      `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET tests.value = %L', current_database(), random()); PERFORM pg_sleep(0.2); END $$`,
    );
    const run = await fleet.run();
    expect(statusesOf(run)).toEqual({ one: 'SUCCEEDED', two: 'SUCCEEDED', three: 'SUCCEEDED', four: 'SUCCEEDED' });
  });

  // https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-DEADLOCKS
  it('that is a deadlock with a request is over when the run gives way', async () => {
    await fleet.inTenant('two', 'CREATE TABLE first (id int); CREATE TABLE second (id int)');
    await add('ALTER TABLE IF EXISTS second ADD COLUMN note text', 'ALTER TABLE IF EXISTS first ADD COLUMN note text');
    const request = await fleet.sessionIn('two');
    await request.query('BEGIN; INSERT INTO first VALUES (1)');
    const run = await fleet.startRun('tenants: ["two"]');
    await eventually('the migration waits for a lock', async () => {
      const waits = await fleet.inTenant(
        'two',
        `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%ADD COLUMN note%'`,
      );
      return waits.length === 1;
    });
    // The migration holds the second table and waits for the first.
    await request.query(`SET deadlock_timeout = '10s'; INSERT INTO second VALUES (1); COMMIT`);
    await fleet.end(request);
    await fleet.events(run);
    const { status, items } = await fleet.runNow(run);
    expect(status).toBe('SUCCEEDED');
    expect(items.nodes[0]?.attempts).toBeGreaterThan(1);
  });

  // https://www.postgresql.org/docs/current/runtime-config-locks.html#GUC-DEADLOCK-TIMEOUT
  it('that is a deadlock with a request which waited first is the run’s, and the request goes on', async () => {
    await fleet.inTenant('three', 'CREATE TABLE third (id int); CREATE TABLE fourth (id int)');
    await add(
      'ALTER TABLE IF EXISTS fourth ADD COLUMN note text',
      'SELECT pg_sleep(0.4)',
      'ALTER TABLE IF EXISTS third ADD COLUMN note text',
    );
    const request = await fleet.sessionIn('three');
    await request.query('BEGIN; INSERT INTO third VALUES (1)');
    const run = await fleet.startRun('tenants: ["three"]');
    await eventually('the migration holds the fourth table', async () => {
      const held = await fleet.inTenant(
        'three',
        `SELECT FROM pg_locks WHERE relation = 'fourth'::regclass AND mode = 'AccessExclusiveLock'`,
      );
      return held.length === 1;
    });
    await request.query('INSERT INTO fourth VALUES (1); COMMIT');
    await fleet.end(request);
    await fleet.events(run);
    const { status, items } = await fleet.runNow(run);
    expect(status).toBe('SUCCEEDED');
    expect(items.nodes[0]?.attempts).toBeGreaterThan(1);
    expect(await fleet.inTenant('three', 'SELECT id FROM third UNION ALL SELECT id FROM fourth')).toHaveLength(2);
  });
});
