import { execFile, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Fleet } from '../support/fleet.ts';
import { type MigrationDir, makeMigrationDir } from '../support/migration-dir.ts';
import { commandsOf } from '../support/run-command.ts';

// With REQUIRE_PSQL, as in .ci/run, its test fails without it.
const hasPsql = process.env.REQUIRE_PSQL !== undefined || spawnSync('psql', ['--version']).status === 0;
let common: MigrationDir;
let fleet: Fleet;

beforeAll(async () => {
  common = await makeMigrationDir({ empty: true });
  fleet = await Fleet.start({ COMMON_MIGRATIONS_DIR: common.path });
});

afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
  await common[Symbol.asyncDispose]();
});

async function psql(slug: string, script: string): Promise<void> {
  const address = fleet.app.services.servers.get('default')?.address;
  if (!address) throw new Error('There is no server');
  const { database, schema, isolation } = await fleet.tenant(slug);
  const file = path.join(fleet.migrations.path, 'script.sql');
  await writeFile(file, script);
  const { host: PGHOST, port, user: PGUSER, password: PGPASSWORD } = address;
  const place = isolation === 'SCHEMA' ? ['-v', `schema=${schema}`] : [];
  const env = { ...process.env, PGHOST, PGPORT: String(port), PGUSER, PGPASSWORD };
  await promisify(execFile)('psql', ['-X', ...place, '-f', file, database], { env });
}

// https://www.postgresql.org/docs/current/app-psql.html
it.skipIf(!hasPsql)('a script for psql makes of common what a run does, in both isolations and twice', async () => {
  const [scripted, run] = [
    ['d101', 's101', 's102'],
    ['d102', 's103'],
  ] as const;
  for (const slug of [...scripted, ...run])
    await fleet.createTenants({ [slug]: slug.startsWith('d') ? 'DATABASE' : 'SCHEMA' });
  // What older versions let a tenant's migration do.
  await fleet.inTenant('d101', 'CREATE EXTENSION citext; CREATE EXTENSION cube');
  await common.add(
    '20270101000000_units',
    'CREATE EXTENSION IF NOT EXISTS citext',
    'CREATE TABLE units (code citext PRIMARY KEY)',
    `INSERT INTO units VALUES ('kg')`,
    `SET statement_timeout = '50ms'`,
  );
  await common.add('20270101000001_grade', `CREATE TYPE grade AS ENUM ('a'); SELECT pg_sleep(0.1)`);
  await fleet.migrations.add(
    '20270101000000_stock',
    'CREATE TABLE stock (unit citext REFERENCES units, grade grade)',
    `INSERT INTO stock VALUES ('KG', 'a')`,
    'SAVEPOINT a',
  );
  const { exit, stdout, stderr } = await commandsOf(fleet.app)('migrate', 'up', '--sql', '--tenant', ...scripted);
  expect(exit, stderr).toBe(0);
  for (const slug of scripted) {
    await psql(slug, stdout);
    await psql(slug, stdout);
  }
  expect(await fleet.run()).toMatchObject({ status: 'SUCCEEDED', failed: 0 });
  const facts = `SELECT (SELECT string_agg(extname || ' ' || nspname, ', ' ORDER BY extname) FROM pg_extension e
      JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'citext') AS extensions,
    (SELECT string_agg(name || ' ' || hash, ', ' ORDER BY id) FROM common.migration_history WHERE status = 'APPLIED') AS history,
    (SELECT count(*)::int FROM stock JOIN common.units ON code OPERATOR(common.=) unit) AS rows`;
  const [made] = await fleet.inTenant('d102', facts);
  expect(made).toMatchObject({ extensions: 'citext common', rows: 1 });
  for (const slug of [...scripted, ...run]) {
    expect(await fleet.inTenant(slug, facts), slug).toEqual([made]);
    const pool = fleet.app.services.tenants.pool(await fleet.tenant(slug));
    const { rows } = await pool.use((client) =>
      client.query(`SELECT unit FROM stock WHERE unit = 'Kg' AND grade = 'a'`),
    );
    expect(rows, slug).toEqual([{ unit: 'KG' }]);
  }
});
