import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fleet, statusesOf } from '../../support/fleet.ts';
import { commandsOf } from '../../support/run-command.ts';

const slugs = ['own-database', 'own-schema'];
let fleet: Fleet;

beforeAll(async () => {
  fleet = await Fleet.start();
  await fleet.createTenants({ 'own-database': 'DATABASE', 'own-schema': 'SCHEMA' });
});

afterAll(() => fleet[Symbol.asyncDispose]());

/** Counts the locks of its own session that keep requests from a table. */
const countLocks = (into: string) =>
  `CREATE TABLE ${into} AS SELECT count(*)::int AS locks FROM pg_locks
   WHERE pid = pg_backend_pid() AND relation = 'products'::regclass AND mode = 'AccessExclusiveLock'`;

const addPair = async (number: number) => {
  const name = `202701010000${number}`;
  await fleet.migrations.addReversible(
    `${name}1_change`,
    `ALTER TABLE products ADD COLUMN note_${number} text`,
    `ALTER TABLE products DROP COLUMN note_${number}`,
  );
  await fleet.migrations.addReversible(`${name}2_count`, countLocks(`locks_${number}`), `DROP TABLE locks_${number}`);
};

// https://www.postgresql.org/docs/current/explicit-locking.html
describe('a run whose migrations are committed one by one', () => {
  it.each([
    [1, '', 1],
    [2, 'separateTransactions: true', 0],
  ])('holds the locks of a file only until the file ends: %i', async (number, input, locks) => {
    await addPair(number);
    expect(await fleet.run(input)).toMatchObject({ status: 'SUCCEEDED', succeeded: 2 });
    for (const slug of slugs) {
      expect(await fleet.inTenant(slug, `SELECT locks FROM locks_${number}`), slug).toEqual([{ locks }]);
    }
  });

  it('reverts those before by down() when one fails, and goes on when it is resumed', async () => {
    await addPair(3);
    const before = await fleet.applied('own-schema');
    await fleet.migrations.add('20270101000033_broken', 'SELECT 1 / 0');
    const run = await fleet.run('separateTransactions: true');
    expect(statusesOf(run)).toEqual({ 'own-database': 'FAILED', 'own-schema': 'FAILED' });
    for (const slug of slugs) {
      expect(await fleet.applied(slug), slug).toEqual(before);
      expect(await fleet.inTenant(slug, `SELECT to_regclass('locks_3') AS made`), slug).toEqual([{ made: null }]);
    }
    await fleet.migrations.remove('20270101000033_broken');
    expect((await fleet.resume(run.id)).status).toBe('SUCCEEDED');
    for (const slug of slugs) expect(await fleet.inTenant(slug, 'SELECT locks FROM locks_3')).toEqual([{ locks: 0 }]);
  });

  it('serves tenants while a file that is not transactional builds an index', async () => {
    const body = (sql: string) => `this.addSql(${JSON.stringify(sql)});`;
    await fleet.migrations.addClass(
      '20270101000051_index',
      `override isTransactional() { return false; }
       override up() { ${body('CREATE INDEX CONCURRENTLY by_price ON products (price)')} }
       override down() { ${body('DROP INDEX CONCURRENTLY by_price')} }`,
    );
    const headers = await fleet.app.tokenFor('own-database');
    // The index cannot be built before this transaction ends.
    const older = await fleet.sessionIn('own-database');
    await older.query('BEGIN; SELECT count(*) FROM products; LOCK TABLE products IN ROW EXCLUSIVE MODE');
    const run = await fleet.startRun('separateTransactions: true');
    const isBuilding = `SELECT count(*)::int AS building FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%'
      AND datname = current_database() AND pid <> pg_backend_pid()`;
    await expect.poll(() => fleet.inTenant('own-database', isBuilding)).toEqual([{ building: 1 }]);
    expect(await fleet.http.ask('{ products { totalCount } }', headers)).toEqual({
      data: { products: { totalCount: 0 } },
    });
    await older.query('COMMIT');
    await fleet.events(run);
    expect(await fleet.runNow(run)).toMatchObject({ status: 'SUCCEEDED', succeeded: 2 });
  });

  it('has no checkpoint', async () => {
    const refusal = await fleet.refusal(
      'mutation { runMigrations(input: { separateTransactions: true, checkpoint: SNAPSHOT }) { id } }',
    );
    expect(refusal).toMatchObject({ code: 'BAD_USER_INPUT' });
  });

  it('can be tried in one transaction, and be started from the command line', async () => {
    await addPair(4);
    expect(await fleet.run('separateTransactions: true, dryRun: true')).toMatchObject({ succeeded: 2 });
    for (const slug of slugs)
      expect(await fleet.inTenant(slug, `SELECT to_regclass('locks_4') AS made`), slug).toEqual([{ made: null }]);
    const { exit, stderr } = await commandsOf(fleet.app)('migrate', 'up', '--separate-transactions');
    expect(exit, stderr).toBe(0);
    for (const slug of slugs) expect(await fleet.inTenant(slug, 'SELECT locks FROM locks_4')).toEqual([{ locks: 0 }]);
  });
});
