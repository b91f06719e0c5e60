import { afterAll, beforeAll, expect, it } from 'vitest';
import { Fleet } from '../support/fleet.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

let postgres: TestPostgres;
let fleet: Fleet;

beforeAll(async () => {
  postgres = await startTestPostgres({
    timezone: 'Asia/Tokyo',
    datestyle: 'SQL, DMY',
    intervalstyle: 'iso_8601',
    jit: 'on',
  });
  fleet = await Fleet.start(postgres.env);
});

afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
  await postgres[Symbol.asyncDispose]();
});

// Case 45. https://www.postgresql.org/docs/current/datatype-datetime.html#DATATYPE-TIMEZONES
// https://www.postgresql.org/docs/current/datatype-datetime.html#DATATYPE-DATETIME-OUTPUT
it('a time without a zone is UTC everywhere, and dates and intervals are read and written the same way, whatever the server’s settings', async () => {
  await fleet.createTenants({ 'old-database': 'DATABASE', 'old-schema': 'SCHEMA' });
  await fleet.migrations.add(
    '20270101000000_times',
    `CREATE TABLE z AS SELECT '2027-01-01'::timestamptz AS at, current_setting('TimeZone') AS zone, current_setting('jit') AS jit,
       date '03/02/2027' - date '01/01/2027' AS days, (interval '1 day 2 hours')::text AS text`,
  );
  expect(await fleet.run()).toMatchObject({ status: 'SUCCEEDED', succeeded: 2 });
  await fleet.createTenants({ 'new-database': 'DATABASE', 'new-schema': 'SCHEMA' });
  for (const slug of ['old-database', 'old-schema', 'new-database', 'new-schema']) {
    const pool = fleet.app.services.tenants.pool(await fleet.tenant(slug));
    const { rows } = await pool.use((client) =>
      client.query(
        `SELECT extract(epoch FROM at)::int AS at, zone, jit, days, text, current_setting('TimeZone') AS here, current_setting('jit') AS "jitHere" FROM z`,
      ),
    );
    const expected = { zone: 'UTC', jit: 'off', days: 60, text: '1 day 02:00:00', here: 'UTC', jitHere: 'off' };
    expect(rows, slug).toEqual([{ at: Date.UTC(2027, 0, 1) / 1000, ...expected }]);
  }
});
