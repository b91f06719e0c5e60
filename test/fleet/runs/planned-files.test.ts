import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fleet, kindsOf } from '../../support/fleet.ts';
import { type MigrationDir, makeMigrationDir } from '../../support/migration-dir.ts';
import { type OwnProcess, startWorker } from '../../support/server-process.ts';
import { startInstalledPostgres, type TestPostgres } from '../../support/start-postgres.ts';

const [step, extra] = ['20270101000001_step', '20270101000002_extra'];

/** The server has one folder of migrations, and a worker another, as when a new version is being deployed. */
describe('a process with other migrations than a run was planned with', () => {
  let postgres: TestPostgres;
  /** Asks, and carries out nothing. */
  let fleet: Fleet;
  let others: MigrationDir;
  let dataDir: string;
  let worker: OwnProcess;

  beforeAll(async () => {
    dataDir = await mkdtemp(path.join(tmpdir(), 'tenantry-files-'));
    postgres = await startInstalledPostgres();
    others = await makeMigrationDir();
    fleet = await Fleet.start({ ...postgres.env, WORKER: 'off' });
    await fleet.createTenants({ 'one-db': 'DATABASE', 'one-schema': 'SCHEMA' });
    worker = await startWorker({
      NODE_ENV: 'test',
      LOG_LEVEL: 'silent',
      DATA_DIR: dataDir,
      TENANT_MIGRATIONS_DIR: others.path,
      ...postgres.env,
    });
  });
  afterAll(async () => {
    await worker.end('SIGKILL');
    await fleet[Symbol.asyncDispose]();
    await others[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  });

  const left =
    'Processes that have the planned migrations carry out the run. If there are none, cancel the run, then resume it with the current migrations.';
  /** The warning that the run is left to others: the first one, or that after another. */
  const warningOf = async (run: string, after?: string) => {
    for await (const { kind, message } of fleet.follow(run))
      if (kind === 'RUN_WARNING' && message !== after) return message;
    throw new Error('The run has ended without a warning');
  };
  const columns = (slug: string) =>
    fleet.inTenant<{ type: string }>(
      slug,
      `SELECT format_type(atttypid, NULL) AS type FROM pg_attribute WHERE attrelid = to_regclass('products') AND attname = 'step'`,
    );

  it('leaves it alone, says why, and carries it out as planned when it has the same', async () => {
    await fleet.migrations.add(step, 'ALTER TABLE products ADD COLUMN step int');
    const run = await fleet.startRun();
    const missing = await warningOf(run);
    expect(missing).toBe(
      `MIGRATION_CHANGED: A process has other migrations than the run was planned with: ${step} is missing. ${left}`,
    );
    await others.add(step, 'ALTER TABLE products ADD COLUMN step bigint');
    expect(await warningOf(run, missing)).toMatch(
      new RegExp(`the hash of ${step} is [0-9a-f]{12} instead of [0-9a-f]{12}\\. ${left}$`),
    );
    expect(await fleet.runNow(run)).toMatchObject({ status: 'RUNNING', pending: 2 });
    // Migrations that came later are none of the run's.
    await others.add(extra, 'CREATE TABLE extra (id int)');
    await others.add(step, 'ALTER TABLE products ADD COLUMN step int');
    const events = await fleet.events(run);
    expect(kindsOf(events, 'one-db')).toEqual(['TENANT_STARTED', 'MIGRATION_APPLIED', 'TENANT_SUCCEEDED']);
    const { items } = await fleet.runNow(run);
    expect(items.nodes.map(({ applied, attempts }) => [applied, attempts])).toEqual(Array(2).fill([[step], 1]));
    for (const slug of ['one-db', 'one-schema']) expect(await columns(slug)).toEqual([{ type: 'integer' }]);
  });

  it('takes part in ending it, and in doing it again with the migrations as they are then', async () => {
    const broken = 'ALTER TABLE products DROP COLUMN stepp';
    await fleet.migrations.add(extra, broken);
    const run = await fleet.startRun();
    await warningOf(run);
    expect(await fleet.cancel(run)).toBe(true);
    await fleet.events(run);
    expect(await fleet.runNow(run)).toMatchObject({ status: 'CANCELLED', cancelled: 2, pending: 0 });
    await others.add(extra, broken);
    expect(await fleet.resume(run)).toMatchObject({ status: 'FAILED', failed: 2 });
    const corrected = 'ALTER TABLE products DROP COLUMN step';
    await Promise.all([fleet.migrations, others].map((folder) => folder.add(extra, corrected)));
    expect(await fleet.resume(run)).toMatchObject({ status: 'SUCCEEDED', succeeded: 2, failed: 0 });
    for (const slug of ['one-db', 'one-schema']) expect(await columns(slug)).toEqual([]);
  });
});
