import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { migrateDatabase } from '../../../src/migrator/apply/apply.ts';
import { Fleet } from '../../support/fleet.ts';
import { startServer } from '../../support/server-process.ts';
import { startTestPostgres } from '../../support/start-postgres.ts';

const claims = '20261128115802_claims';

it('a run that was begun with a queue of jobs goes on after the upgrade, and the queue is gone', async () => {
  await using stack = new AsyncDisposableStack();
  const dataDir = await mkdtemp(path.join(tmpdir(), 'tenantry-upgrade-'));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  const postgres = stack.use(await startTestPostgres());
  // It asks, and carries out nothing.
  const fleet = stack.use(await Fleet.start({ ...postgres.env, WORKER: 'off' }));
  const slugs = ['waits', 'under-way', 'later'];
  await fleet.createTenants({ waits: 'SCHEMA', 'under-way': 'DATABASE', later: 'SCHEMA' });
  await fleet.migrations.add('20270101000000_column', 'ALTER TABLE products ADD COLUMN extra int');
  const run = await fleet.startRun('waves: ["2"]');

  // As the version before has it: a tenant in the queue, one with a process that is dead, and one in the next wave.
  const auth = await fleet.session('auth');
  const files = await fleet.app.services.migrations.auth.read();
  const down = { kind: 'to', to: files[files.findIndex(({ name }) => name === claims) - 1]?.name ?? '' } as const;
  await migrateDatabase(auth, { scope: 'AUTH', schema: 'public', files, down, lockTimeoutMs: 1000 });
  const statuses = `SELECT status FROM migration_run_items WHERE run_id = '${run}' ORDER BY position`;
  expect((await auth.query(statuses)).rows.map(({ status }) => status)).toEqual(['RUNNING', 'RUNNING', 'PENDING']);
  await auth.query(`
    CREATE SCHEMA jobs; CREATE TABLE jobs.job (id uuid);
    UPDATE migration_run_items SET status = 'PENDING', claimed_by = NULL WHERE position = 1`);

  await using server = startServer({
    NODE_ENV: 'test',
    LOG_LEVEL: 'silent',
    GRAPHIQL: 'false',
    DATA_DIR: dataDir,
    TENANT_MIGRATIONS_DIR: fleet.migrations.path,
    ...postgres.env,
  });
  // Its start brings `auth` forward, which this process needs to read the events.
  await server.listening();
  await fleet.events(run);
  expect(await fleet.runNow(run)).toMatchObject({ status: 'SUCCEEDED', succeeded: slugs.length });
  for (const slug of slugs) expect(await fleet.applied(slug)).toContain('20270101000000_column');
  const { rows } = await auth.query(`SELECT to_regnamespace('jobs') AS queue`);
  expect(rows).toEqual([{ queue: null }]);
});
