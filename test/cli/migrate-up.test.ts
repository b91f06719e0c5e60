import { execFile, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fleet } from '../support/fleet.ts';
import { commandsOf } from '../support/run-command.ts';

// With REQUIRE_PSQL, as in .ci/run, its test fails without it.
const hasPsql = process.env.REQUIRE_PSQL !== undefined || spawnSync('psql', ['--version']).status === 0;
let fleet: Fleet;
let tenantry: ReturnType<typeof commandsOf>;

// The server carries out nothing: what is done here, commands do.
beforeAll(async () => {
  fleet = await Fleet.start({ WORKER: 'off' });
  tenantry = commandsOf(fleet.app);
  for (const slug of ['alpha', 'beta', 'gamma']) await tenantry('tenant', 'create', slug);
});
afterAll(() => fleet[Symbol.asyncDispose]());

it('applies migrations without a server that works, tells each event on a line, and sums up', async () => {
  await fleet.migrations.addReversible('20270101000000_notes', 'CREATE TABLE notes ()', 'DROP TABLE notes');
  const { exit, stdout, stderr } = await tenantry('migrate', 'up');
  expect(exit).toBe(0);
  expect(stderr).toMatch(/^\S+ RUN_STARTED 3 tenants \(0\/3\)\n/);
  expect(stderr).toMatch(/^\S+ MIGRATION_APPLIED beta 20270101000000_notes applied in \d+ ms \(\d\/3\)$/m);
  expect(stderr).toMatch(/ RUN_ENDED 3 succeeded, .* \(3\/3\)\n$/);
  expect(stdout).toContain('Migrations: SUCCEEDED');
  expect(stdout).not.toMatch(/checkpoint|pre_migration_/i);
  expect(stdout).toMatch(/Total +3\n +Succeeded +3\n +Failed +0\n +Skipped +0\n/);
  expect(stdout).toContain('  20270101000000_notes  3\n');
  expect(await fleet.applied('beta')).toContain('20270101000000_notes');
  expect((await tenantry('migrate', 'up')).stdout).toMatch(/Succeeded +0\n.*\n +Skipped +3\n/);
});

it('takes migrations back', async () => {
  const { exit, stdout } = await tenantry('migrate', 'down', '--tenant', 'gamma', '--steps', '1', '--json');
  expect(exit).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    kind: 'DOWN',
    total: 1,
    migrations: [{ name: '20270101000000_notes', tenants: 1 }],
  });
  expect(await fleet.applied('gamma')).not.toContain('20270101000000_notes');
  await tenantry('migrate', 'up');
});

it('names each failed tenant with its error, ends with 1, and says what tries again', async () => {
  await fleet.inTenant('beta', 'CREATE TABLE obstacles ()');
  await fleet.migrations.add('20270102000000_obstacles', 'CREATE TABLE obstacles ()');
  const dry = await tenantry('migrate', 'up', '--dry-run');
  expect(dry).toMatchObject({ exit: 1, stdout: expect.stringMatching(/\n\nFix the failures and run it again\.\n$/) });
  expect(dry.stdout).not.toContain('resume');
  const { exit, stdout, stderr } = await tenantry('migrate', 'up');
  expect(exit).toBe(1);
  // The message names the migration.
  expect(stderr).toMatch(/TENANT_FAILED beta 20270102000000_obstacles failed: relation "obstacles"/);
  expect(stdout).toMatch(/Succeeded +2\n +Failed +1\n/);
  expect(stdout).toMatch(/Failed:\n {2}beta: .*20270102000000_obstacles.*relation "obstacles" already exists/);
  const [, run = ''] = /To retry .*: tenantry migrate resume (\S+)\n/.exec(stdout) ?? [];
  expect(await fleet.runNow(run)).toMatchObject({ failed: 1, status: 'FAILED' });
  await fleet.inTenant('beta', 'DROP TABLE obstacles');
  expect((await tenantry('migrate', 'up')).exit).toBe(0);
});

it('applies nothing in a dry run, and nothing beyond what was asked for', async () => {
  await fleet.migrations.add('20270103000000_dry', 'CREATE TABLE dry ()');
  await fleet.migrations.add('20270104000000_later', 'CREATE TABLE later ()');
  const args = ['migrate', 'up', '--to', '20270103000000_dry', '--tenant', 'alpha', 'beta', '--json'];
  const dry = JSON.parse((await tenantry(...args, '--dry-run')).stdout);
  expect(dry).toMatchObject({ dryRun: true, total: 2, succeeded: 2, migrations: [{ name: '20270103000000_dry' }] });
  expect(await fleet.applied('alpha')).not.toContain('20270103000000_dry');
  const options = ['--waves', '1,100%', '--canary', 'beta', '--verify', '--concurrency', '1', '--max-failures', '0'];
  const waves = await tenantry(...args, ...options);
  expect(waves.stderr).toMatch(/WAVE_STARTED wave 1.*\n.*TENANT_STARTED beta/);
  expect(JSON.parse(waves.stdout)).toMatchObject({ dryRun: false, succeeded: 2 });
  expect(waves.stderr).toContain('WAVE_STARTED wave 2 of 2: 1 tenant');
  expect((await fleet.applied('alpha')).at(-1)).toBe('20270103000000_dry');
  expect(await fleet.applied('gamma')).not.toContain('20270103000000_dry');
});

it('leaves a detached run to others, and prints its id', async () => {
  const { exit, stdout, stderr } = await tenantry('migrate', 'up', '--detach', '--tenant', 'gamma');
  expect({ exit, stdout }).toEqual({ exit: 0, stdout: expect.stringMatching(/^[\da-f-]{36}\n$/) });
  expect(stderr).toContain(`tenantry migrate watch ${stdout.trim()}`);
  expect(await fleet.runNow(stdout.trim())).toMatchObject({ status: 'RUNNING', total: 1, pending: 1 });
  // Any worker continues it: here, the next command.
  await tenantry('migrate', 'up');
  expect((await fleet.runNow(stdout.trim())).status).toBe('SUCCEEDED');
});

describe('--sql', () => {
  it('prints a script for each distinct plan, and nothing else', async () => {
    await fleet.migrations.add('20270105000000_a', "CREATE TABLE a (t text DEFAULT 'x;' -- why not\n)");
    await tenantry('migrate', 'up', '--tenant', 'alpha');
    await fleet.migrations.add(
      '20270106000000_b',
      'CREATE TABLE b ()',
      'INSERT INTO b DEFAULT VALUES -- a row',
      // psql would look for the end of a block, and put in the value of its variable.
      'CREATE FUNCTION b(begin int) RETURNS int LANGUAGE sql RETURN begin; CREATE TABLE next_one ()',
      'CREATE TABLE slice AS SELECT (ARRAY[1, 2, 3])[1:schema] AS part FROM (SELECT 2 AS schema) s',
    );
    await tenantry('tenant', 'create', 'delta', '--isolation', 'schema');
    await tenantry('migrate', 'down', '--tenant', 'delta', '--steps', '1');
    const { exit, stdout, stderr } = await tenantry('migrate', 'up', '--sql', '--tenant', 'alpha', 'beta');
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
    expect(stdout.match(/^-- Plan \d of 2/gm)).toHaveLength(2);
    expect(stdout.match(/CREATE TABLE a/g)).toHaveLength(1);
    expect(await fleet.applied('beta')).not.toContain('20270105000000_a');
  });

  it.skipIf(!hasPsql)(
    'psql makes of it the same tables as a run, in both kinds of tenants, and does nothing a second time',
    async () => {
      await fleet.migrations.addClass(
        '20270106000001_alone',
        "isTransactional() { return false; } up() { this.addSql('CREATE INDEX CONCURRENTLY products_name_idx ON products (name)'); }",
      );
      await tenantry('tenant', 'create', 'epsilon', '--isolation', 'schema');
      await tenantry('migrate', 'down', '--tenant', 'epsilon', '--to', '20270105000000_a');
      const { stdout } = await tenantry('migrate', 'up', '--sql', '--tenant', 'beta', 'delta');
      for (const slug of ['beta', 'delta']) {
        await psql(slug, stdout);
        expect((await fleet.applied(slug)).slice(-3)).toEqual([
          '20270105000000_a',
          '20270106000000_b',
          '20270106000001_alone',
        ]);
        await psql(slug, stdout);
        expect(await fleet.inTenant(slug, 'SELECT count(*)::int FROM b')).toEqual([{ count: 1 }]);
      }
      await tenantry('migrate', 'up', '--tenant', 'gamma', 'epsilon');
      const made = await tablesOf('gamma');
      expect(made.map(({ what }) => what)).toEqual(
        expect.arrayContaining(['a.t', 'b', 'next_one', 'slice.part', 'products_name_idx']),
      );
      for (const slug of ['beta', 'delta', 'epsilon']) expect(await tablesOf(slug)).toEqual(made);
      // The next run learns what was done.
      const { stdout: summary } = await tenantry('migrate', 'up', '--json', '--tenant', 'beta', 'delta');
      expect(JSON.parse(summary)).toMatchObject({ status: 'SUCCEEDED', skipped: 2 });
      expect(await fleet.versionOf('beta')).toEqual({ version: '20270106000001_alone', behind: 0 });
    },
  );

  it.skipIf(!hasPsql)('a backfill is one statement for all rows in it, and says so', async () => {
    const name = '20270106000002_backfill';
    await fleet.migrations.addBackfill(name, 'products', "UPDATE products SET name = name || '!' WHERE KEYS");
    await fleet.inTenant(
      'beta',
      `INSERT INTO products (sku, name, price, currency, stock) VALUES ('s', 'n', 1, 'EUR', 1)`,
    );
    const { stdout } = await tenantry('migrate', 'up', '--sql', '--tenant', 'beta');
    expect(stdout).toContain(`-- ${name}: a backfill. A run changes the rows in batches`);
    await psql('beta', stdout);
    expect(await fleet.inTenant('beta', "SELECT name FROM products WHERE sku = 's'")).toEqual([{ name: 'n!' }]);
    expect((await fleet.applied('beta')).at(-1)).toBe(name);
    await tenantry('migrate', 'up');
  });

  it('says on standard error which tenants cannot be in it, and ends with 1', async () => {
    await fleet.migrations.addClass('20270107000000_asks', "override async up() { await this.execute('SELECT 1'); }");
    const { exit, stdout, stderr } = await tenantry('migrate', 'up', '--sql', '--tenant', 'beta');
    expect(exit).toBe(1);
    expect(stdout).not.toContain('-- Plan');
    expect(stderr).toContain('beta: 20270107000000_asks queries the database while it runs');
  });

  async function psql(slug: string, script: string): Promise<void> {
    const address = fleet.app.services.servers.get('default')?.address;
    if (!address) throw new Error('There is no server');
    const { database, schema, isolation } = await fleet.tenant(slug);
    const file = path.join(fleet.migrations.path, 'script.sql');
    writeFileSync(file, script);
    const { host: PGHOST, port, user: PGUSER, password: PGPASSWORD } = address;
    const place = isolation === 'SCHEMA' ? ['-v', `schema=${schema}`] : [];
    await promisify(execFile)('psql', ['-X', ...place, '-f', file, database], {
      env: { ...process.env, PGHOST, PGPORT: String(port), PGUSER, PGPASSWORD },
    });
  }

  /** All relations, columns, indexes and constraints, without the name of the schema that they are in. */
  async function tablesOf(slug: string): Promise<{ what: string; how: string }[]> {
    const { schema } = await fleet.tenant(slug);
    return fleet.inTenant(
      slug,
      `SELECT what, replace(how, '${schema}.', '') AS how FROM (
         SELECT relname AS what, coalesce(pg_get_indexdef(i.indexrelid) || i.indisvalid, relkind::text) AS how
         FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid WHERE relnamespace = '${schema}'::regnamespace
         UNION ALL
         SELECT relname || '.' || attname, format_type(atttypid, atttypmod) || attnotnull || coalesce(pg_get_expr(adbin, adrelid), '')
         FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid LEFT JOIN pg_attrdef ON adrelid = c.oid AND adnum = attnum
         WHERE relnamespace = '${schema}'::regnamespace AND attnum > 0 AND NOT attisdropped AND relkind = 'r'
         UNION ALL
         SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = '${schema}'::regnamespace) t
       ORDER BY what, how`,
    );
  }
});

it.each([
  [['migrate', 'up', '--waves', '1,x'], 2, 'Invalid wave size "x"'],
  [['migrate', 'up', '--concurrency', '0'], 2, 'whole number from 1 to 1000'],
  [['migrate', 'up', '--sql', '--detach'], 2, 'cannot be used with'],
  [['migrate', 'up', '--sql', '--checkpoint', 'snapshot'], 2, 'cannot be used with'],
  [['migrate', 'up', '--to', 'nothing'], 1, 'There is no tenant migration nothing'],
  [['migrate', 'up', '--tenant', 'nobody'], 1, 'There is no tenant nobody'],
  [
    ['migrate', 'up', '--tenant', 'alpha', '--canary', 'beta'],
    1,
    'Canaries must be tenants of the run, but these are not: beta',
  ],
  [['migrate', 'down', '--steps', '1'], 2, 'use --tenant <slug...> or --all'],
  [['migrate', 'down', '--all'], 2, 'use --steps <n> or --to <name>'],
  [['migrate', 'down', '--all', '--tenant', 'alpha', '--steps', '1'], 2, 'cannot be used with'],
])('%j ends with %i and says why', async (argv, exit, message) => {
  expect(await tenantry(...argv)).toEqual({ exit, stdout: '', stderr: expect.stringContaining(message) });
});
