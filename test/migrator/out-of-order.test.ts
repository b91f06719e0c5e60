import { expect, it } from 'vitest';
import { makeMigrationFolder } from '../support/migration-folder.ts';
import { startTestApp } from '../support/start-app.ts';

it('is planned with a warning when it is dated before one that is applied, and is applied nevertheless', async () => {
  await using migrations = await makeMigrationFolder();
  await migrations.write('20270201000000_newer', 'CREATE TABLE newer (id int)');
  await using app = await startTestApp({ TENANT_MIGRATIONS_DIR: migrations.dir });
  await app.ask('mutation { createTenant(input: { slug: "one", name: "x" }) { id } }', app.admin);
  await migrations.write('20270101000000_late', 'CREATE TABLE late (id int)');
  await migrations.write('20270301000000_newest', 'CREATE TABLE newest (id int)');

  const plan = await app.ask('{ migrationPlan { tenants { pending refusal warnings } } }', app.admin);
  expect(plan).toEqual({
    data: {
      migrationPlan: {
        tenants: [
          {
            pending: ['20270101000000_late', '20270301000000_newest'],
            refusal: null,
            warnings: ['20270101000000_late is dated before 20270201000000_newer, which is applied already'],
          },
        ],
      },
    },
  });
  const run = await app.ask('mutation { runMigrations(input: { wait: true }) { status succeeded } }', app.admin);
  expect(run.data?.runMigrations).toEqual({ status: 'SUCCEEDED', succeeded: 1 });
});
