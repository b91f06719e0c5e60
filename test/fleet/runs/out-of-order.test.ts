import { expect, it } from 'vitest';
import { Fleet } from '../../support/fleet.ts';
import { makeMigrationDir } from '../../support/migration-dir.ts';
import { startTestApp } from '../../support/start-app.ts';

it('is planned with a warning when it is dated before one that is applied, and is applied nevertheless', async () => {
  await using migrations = await makeMigrationDir();
  await migrations.add('20270201000000_newer', 'CREATE TABLE newer (id int)');
  await using app = await startTestApp({ TENANT_MIGRATIONS_DIR: migrations.path });
  await app.ask('mutation { createTenant(input: { slug: "one", name: "x" }) { id } }', app.admin);
  await migrations.add('20270101000000_late', 'CREATE TABLE late (id int)');
  await migrations.add('20270301000000_newest', 'CREATE TABLE newest (id int)');

  const plan = await app.ask('{ migrationPlan { tenants { pending refusal warnings } } }', app.admin);
  expect(plan).toEqual({
    data: {
      migrationPlan: {
        tenants: [
          {
            pending: ['20270101000000_late', '20270301000000_newest'],
            refusal: null,
            warnings: ['20270101000000_late is dated before 20270201000000_newer, which is already applied'],
          },
        ],
      },
    },
  });
  const run = await app.ask('mutation { runMigrations(input: { wait: true }) { status succeeded } }', app.admin);
  expect(run.data?.runMigrations).toEqual({ status: 'SUCCEEDED', succeeded: 1 });
});

it('is undone by the order of application: nothing stands on it that was applied before, whatever its date', async () => {
  await using fleet = await Fleet.start();
  const { migrations } = fleet;
  const add = (name: string, table: string) =>
    migrations.addReversible(name, `CREATE TABLE ${table} (id int)`, `DROP TABLE ${table}`);
  await add('20270201000000_newer', 'newer');
  await fleet.createTenants({ 'one-db': 'DATABASE', 'one-schema': 'SCHEMA' });
  await add('20270101000000_late', 'late');
  const late = await fleet.run();
  expect(late.items.nodes.map(({ applied }) => applied)).toEqual(Array(2).fill(['20270101000000_late']));
  await add('20270115000000_between', 'between');
  const between = await fleet.run(', tenants: ["one-schema"]');

  const undo = (id: string) => `mutation { undoMigrationRun(id: "${id}") { id status } }`;
  expect(await fleet.refusal(undo(late.id))).toEqual({
    code: 'CONFLICT',
    message:
      '20270115000000_between was applied after 20270101000000_late and may depend on it. Revert it first. Tenants: one-schema',
  });
  for (const { id } of [between, late]) {
    const { undoMigrationRun } = await fleet.ask<{ undoMigrationRun: { id: string } }>(undo(id));
    await fleet.events(undoMigrationRun.id);
    expect(await fleet.runNow(undoMigrationRun.id)).toMatchObject({ status: 'SUCCEEDED', failed: 0, skipped: 0 });
  }
  for (const slug of ['one-db', 'one-schema']) {
    expect(await fleet.applied(slug)).toEqual(['20261121000000_fixture', '20270201000000_newer']);
    expect(await fleet.versionOf(slug)).toEqual({ version: '20270201000000_newer', behind: 2 });
  }
});
