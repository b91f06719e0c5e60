import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { Fleet } from '../../support/fleet.ts';

const first = '20261121000000_fixture';
const name = '20270101000000_step';
let fleet: Fleet;

beforeAll(async () => {
  fleet = await Fleet.start();
  await fleet.createTenants({ 'one-db': 'DATABASE', 'one-schema': 'SCHEMA' });
  await fleet.migrations.addReversible(
    name,
    'ALTER TABLE products ADD COLUMN step int',
    'ALTER TABLE products DROP COLUMN step',
  );
});
afterAll(() => fleet[Symbol.asyncDispose]());

/** A run that has migrated a tenant, and has not told the catalog yet. */
async function migrateUntold(slug: string) {
  const blocker = await fleet.sessionIn(slug);
  await blocker.query('BEGIN; LOCK TABLE products IN ACCESS EXCLUSIVE MODE');
  const run = await fleet.startRun(`, tenants: ["${slug}"]`);
  for await (const { kind } of fleet.follow(run)) if (kind === 'TENANT_STARTED') break;
  // Nobody writes down what happens in a run without its row.
  const auth = await fleet.session('auth');
  await auth.query(`BEGIN; SELECT FROM migration_runs WHERE id = '${run}' FOR UPDATE`);
  await fleet.end(blocker);
  await eventually('the tenant is migrated', async () => (await fleet.applied(slug)).includes(name));
  expect(await fleet.versionOf(slug)).toEqual({ version: first, behind: 1 });
  return {
    async tell() {
      await fleet.end(auth);
      await fleet.events(run);
      expect(await fleet.runNow(run)).toMatchObject({ status: 'SUCCEEDED', succeeded: 1 });
    },
  };
}

it.each(['one-db', 'one-schema'])(
  'knows in which order two runs migrated %s, though the first tells of it last',
  async (slug) => {
    const up = await migrateUntold(slug);
    const down = `mutation { rollbackMigrations(input: { tenants: ["${slug}"], steps: 1, wait: true }) { succeeded } }`;
    expect(await fleet.ask(down)).toEqual({ rollbackMigrations: { succeeded: 1 } });
    await up.tell();
    expect(await fleet.applied(slug)).toEqual([first]);
    expect(await fleet.versionOf(slug)).toEqual({ version: first, behind: 1 });
    // So that the next run does not skip it.
    expect(await fleet.run(`, tenants: ["${slug}"]`)).toMatchObject({ succeeded: 1, skipped: 0 });
    expect(await fleet.ask(down)).toEqual({ rollbackMigrations: { succeeded: 1 } });
  },
);

it('keeps what a checkpoint brought back, though a run tells later of what was lost with it', async () => {
  const { createCheckpoint } = await fleet.ask<{ createCheckpoint: { id: string } }>(
    'mutation { createCheckpoint(tenant: "one-db") { id } }',
  );
  const up = await migrateUntold('one-db');
  await fleet.ask(`mutation { restoreCheckpoint(id: "${createCheckpoint.id}", acceptDataLoss: true) { id } }`);
  await up.tell();
  expect(await fleet.applied('one-db')).toEqual([first]);
  expect(await fleet.versionOf('one-db')).toEqual({ version: first, behind: 1 });
});

it('keeps the hash that was accepted, though a run tells later of the one before', async () => {
  const up = await migrateUntold('one-schema');
  await fleet.migrations.add(name, 'SELECT 1');
  const accept = `mutation { acceptMigrationHash(tenant: "one-schema", migration: "${name}") { error } }`;
  expect(await fleet.ask(accept)).toEqual({ acceptMigrationHash: [{ error: null }] });
  await up.tell();
  const { migrationPlan } = await fleet.ask<{ migrationPlan: unknown }>(
    '{ migrationPlan(input: { tenants: ["one-schema"] }) { upToDateCount tenants { refusal } } }',
  );
  expect(migrationPlan).toEqual({ upToDateCount: 1, tenants: [] });
});
