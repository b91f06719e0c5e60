import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import { Fleet, statusesOf } from '../support/fleet.ts';

const TABLES = 2_500;

// Case 11; https://www.postgresql.org/docs/current/runtime-config-locks.html#GUC-MAX-LOCKS-PER-TRANSACTION
it('a schema of 2,500 tables is dropped at max_locks_per_transaction = 64, and a run beside it does not fail', async () => {
  await using fleet = await Fleet.start();
  await fleet.createTenants({ large: 'SCHEMA', other: 'SCHEMA', third: 'DATABASE' });
  const session = await fleet.sessionIn('large');
  expect((await session.query('SHOW max_locks_per_transaction')).rows).toEqual([{ max_locks_per_transaction: '64' }]);
  await session.query(`DO $$ BEGIN FOR i IN 1..${TABLES} LOOP
      EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, note text)', i);
      IF i % 100 = 0 THEN COMMIT; END IF;
    END LOOP; END $$`);
  await session.query('CREATE TABLE parts (id int) PARTITION BY LIST (id)');
  for (let id = 1; id <= 50; id += 1)
    await session.query(`CREATE TABLE part_${id} PARTITION OF parts FOR VALUES IN (${id})`);
  await session.query(
    `CREATE VIEW notes AS SELECT note FROM t1; CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
  );
  const { schema } = await fleet.tenant('large');
  await fleet.end(session);
  let most = 0;
  const watching = await fleet.session((await fleet.tenant('other')).database);
  let isOver = false;
  const watch = async () => {
    while (!isOver) {
      const { rows } = await watching.query<{ count: number }>('SELECT count(*)::int AS count FROM pg_locks');
      most = Math.max(most, rows[0]?.count ?? 0);
      await sleep(50);
    }
  };
  const watched = watch();
  const deletion = fleet.ask('mutation { deleteTenant(id: "large", slug: "large", purge: true) { slug } }');
  const status = async () =>
    (await fleet.ask<{ tenant: { status: string } | null }>('{ tenant(slug: "large") { status } }')).tenant?.status;
  // The run must not include the tenant, so its deletion begins first.
  await Promise.race([deletion, vi.waitUntil(async () => (await status()) === 'DELETING')]);
  await fleet.migrations.add('20270101000000_more', 'CREATE TABLE more (id int)');
  const run = await fleet.run();
  await deletion;
  isOver = true;
  await watched;
  expect(statusesOf(run)).toMatchObject({ other: 'SUCCEEDED', third: 'SUCCEEDED' });
  const left = await fleet.inTenant('other', `SELECT FROM pg_namespace WHERE nspname = '${schema}'`);
  expect(left).toEqual([]);
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThan(1_500);
});
