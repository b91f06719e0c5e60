import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Fleet } from '../support/fleet.ts';
import { commandsOf } from '../support/run-command.ts';

let fleet: Fleet;
let tenantry: ReturnType<typeof commandsOf>;
const first = '20261121000000_fixture';

beforeAll(async () => {
  fleet = await Fleet.start({ WORKER: 'off' });
  tenantry = commandsOf(fleet.app);
});
afterAll(() => fleet[Symbol.asyncDispose]());

const driftOf = async (slug: string) => {
  const { tenant } = await fleet.ask<{ tenant: { drift: { sql: readonly string[] } } }>(
    `{ tenant(slug: "${slug}") { drift { sql } } }`,
  );
  return tenant.drift.sql;
};

it('migrate new, migrate check and drift find checks that were migrated otherwise, in both isolations', async () => {
  const file = `${first}.ts`;
  const text = await readFile(path.join(fleet.migrations.path, file), 'utf8');
  await fleet.migrations.write(file, text.replace('[A-Z]{3}', '[a-z]{3}').replace('price >= 0)', 'price >= 0.5)'));
  await fleet.createTenants({ 'database-1': 'DATABASE', 'schema-1': 'SCHEMA' });

  const { exit, stdout } = await tenantry('migrate', 'check');
  expect(exit).toBe(1);
  expect(stdout).toMatch(/ENTITIES_DIFFER: The TENANT migrations do not create what the entities describe/);
  for (const slug of ['database-1', 'schema-1']) {
    expect((await driftOf(slug)).filter((sql) => sql.includes('add constraint'))).toEqual([
      expect.stringContaining('check (price >= 0)'),
      expect.stringContaining("check (currency ~ '^[A-Z]{3}$')"),
    ]);
  }
  const written = await tenantry('migrate', 'new', 'checks');
  expect(written.exit).toBe(0);
  expect(written.stderr).toContain(
    'DROP: up() drops the constraint products_price_check of products; it is made again below.\n',
  );
  expect(await readFile(written.stdout.trim(), 'utf8')).toMatch(
    /\/\/ DROP: the constraint products_price_check of products; it is made again below\.\n/,
  );
  expect((await tenantry('migrate', 'up')).exit).toBe(0);
  expect(await tenantry('migrate', 'check')).toMatchObject({ exit: 0 });
  expect(await tenantry('migrate', 'new', 'nothing')).toMatchObject({
    exit: 1,
    stderr: expect.stringContaining('nothing to write'),
  });
  expect([await driftOf('database-1'), await driftOf('schema-1')]).toEqual([[], []]);
});

it('an exclusion constraint by hand is no drift, and migrate new leaves it', async () => {
  await fleet.migrations.addReversible(
    '20990101000000_by_hand',
    `ALTER TABLE products ADD CONSTRAINT products_created_at_excl EXCLUDE USING gist (tstzrange(created_at, created_at, '[]') WITH &&)`,
    'ALTER TABLE products DROP CONSTRAINT products_created_at_excl',
  );
  expect((await tenantry('migrate', 'up')).exit).toBe(0);
  expect((await tenantry('migrate', 'check')).exit).toBe(0);
  expect([await driftOf('database-1'), await driftOf('schema-1')]).toEqual([[], []]);
  expect(await tenantry('migrate', 'new', 'nothing')).toMatchObject({
    exit: 1,
    stderr: expect.stringContaining('nothing to write'),
  });
});
