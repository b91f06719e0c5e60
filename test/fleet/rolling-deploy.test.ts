import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fleet, statusesOf } from '../support/fleet.ts';
import { type MigrationDir, makeMigrationDir } from '../support/migration-dir.ts';
import { runCommand } from '../support/run-command.ts';
import { type OwnProcess, startWorker } from '../support/server-process.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

const first = '20261121000000_fixture';

/** A server runs the older code, and a worker the newer; both carry out runs. */
describe('an older and a newer version of the code at once', () => {
  let postgres: TestPostgres;
  /** The older code. */
  let older: Fleet;
  let newer: MigrationDir;
  let dataDir: string;
  let worker: OwnProcess;
  const slugs = ['one-db', 'one-schema', 'two-db', 'two-schema'];

  beforeAll(async () => {
    dataDir = await mkdtemp(path.join(tmpdir(), 'tenantry-rolling-'));
    postgres = await startTestPostgres();
    newer = await makeMigrationDir();
    older = await Fleet.start(postgres.env);
    await older.createTenants(
      Object.fromEntries(slugs.map((slug) => [slug, slug.endsWith('-db') ? 'DATABASE' : 'SCHEMA'])),
    );
    worker = await startWorker(env());
  });
  afterAll(async () => {
    await worker.end('SIGKILL');
    await older[Symbol.asyncDispose]();
    await newer[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  });

  const env = () => ({
    NODE_ENV: 'test',
    LOG_LEVEL: 'silent',
    DATA_DIR: dataDir,
    TENANT_MIGRATIONS_DIR: newer.path,
    ...postgres.env,
  });
  /** Starts a run, or asks, with the newer code. */
  const byNewer = async (...argv: string[]) => {
    const { exit, stdout, stderr } = await runCommand(argv, env());
    return { exit, stdout: stdout.trim(), stderr };
  };
  const claimsOf = (run: string) =>
    older.inCatalog<{ claims: number }>(
      `SELECT coalesce(sum(attempts), 0)::int AS claims FROM migration_run_items WHERE run_id = $1`,
      [run],
    );

  it('the older leaves runs of the newer to it, and never calls tenants behind that have more', async () => {
    const step = '20270101000001_step';
    await newer.add(step, 'ALTER TABLE products ADD COLUMN step int');
    const { stdout: run } = await byNewer('migrate', 'up', '--detach', '--tenant', 'one-db', 'one-schema');
    await older.events(run);
    expect(statusesOf(await older.runNow(run))).toEqual({ 'one-db': 'SUCCEEDED', 'one-schema': 'SUCCEEDED' });
    expect(await claimsOf(run)).toEqual([{ claims: 2 }]);
    for (const slug of ['one-db', 'one-schema']) {
      expect(await older.applied(slug)).toEqual([first, step]);
      expect(await older.versionOf(slug)).toEqual({ version: step, behind: 0 });
    }
    const behind = '{ tenants(filter: { behind: true }) { nodes { slug } } }';
    expect(await older.ask(behind)).toEqual({ tenants: { nodes: [] } });
    const { stdout } = await byNewer('tenant', 'list', '--behind', '--json');
    expect(JSON.parse(stdout).map(({ slug }: { slug: string }) => slug)).toEqual(['two-db', 'two-schema']);
  });

  it('the older refuses to migrate tenants that have more, carries out its own runs, and keeps what the catalog knows', async () => {
    const run = await older.run(', verify: true');
    expect(statusesOf(run)).toEqual({
      'one-db': 'FAILED',
      'one-schema': 'FAILED',
      'two-db': 'SKIPPED',
      'two-schema': 'SKIPPED',
    });
    expect(run.items.nodes[0]?.error).toContain('MIGRATION_UNKNOWN: 20270101000001_step has been applied');
    expect(await older.versionOf('one-db')).toEqual({ version: '20270101000001_step', behind: 0 });
    await older.createTenants({ 'late-schema': 'SCHEMA' });
    expect(await older.versionOf('late-schema')).toEqual({ version: first, behind: 0 });
    const { stdout } = await byNewer('tenant', 'show', 'late-schema', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ version: first, behind: 1 });
  });

  it('runs of both at once are each carried out by a process that has their files', async () => {
    const old = await Promise.all(slugs.slice(2).map((slug) => older.startRun(`, verify: true, tenants: ["${slug}"]`)));
    const { stdout: run } = await byNewer('migrate', 'up', '--detach', '--tenant', 'two-db', 'two-schema');
    for (const id of [run, ...old]) await older.events(id);
    expect(statusesOf(await older.runNow(run))).toEqual({ 'two-db': 'SUCCEEDED', 'two-schema': 'SUCCEEDED' });
    for (const slug of slugs)
      expect(await older.versionOf(slug)).toEqual({ version: '20270101000001_step', behind: 0 });
  });

  it('two branches whose files have the same timestamp keep out of each other, and come together when they are merged', async () => {
    await older.migrations.add('20270101000001_step', 'ALTER TABLE products ADD COLUMN step int');
    const [ours, theirs] = ['20270201000000_alpha', '20270201000000_beta'];
    await older.migrations.add(ours, 'CREATE TABLE alpha (id int)');
    await newer.add(theirs, 'CREATE TABLE beta (id int)');
    const { stdout: run } = await byNewer('migrate', 'up', '--detach', '--tenant', 'one-db', 'one-schema');
    await older.events(run);
    const own = await older.run(', tenants: ["two-db", "two-schema"]');
    expect([await older.runNow(run), own]).toMatchObject(Array(2).fill({ status: 'SUCCEEDED', succeeded: 2 }));
    // Each branch leaves alone what the other has migrated, and says why.
    const refused = await older.run(', tenants: ["one-db", "one-schema"]');
    expect(refused.items.nodes.map(({ error }) => error)).toEqual(
      Array(2).fill(expect.stringContaining(`MIGRATION_UNKNOWN: ${theirs} has been applied`)),
    );
    for (const slug of ['one-db', 'one-schema']) {
      expect(await older.versionOf(slug)).toEqual({ version: theirs, behind: 0 });
      expect((await older.applied(slug)).at(-1)).toBe(theirs);
    }
    // The merge has both files.
    await older.migrations.add(theirs, 'CREATE TABLE beta (id int)');
    await newer.add(ours, 'CREATE TABLE alpha (id int)');
    expect(await older.versionOf('one-db')).toEqual({ version: theirs, behind: 1 });
    expect(await older.run()).toMatchObject({ status: 'SUCCEEDED', failed: 0 });
    await older.createTenants({ 'new-schema': 'SCHEMA' });
    for (const slug of [...slugs, 'late-schema', 'new-schema'])
      expect((await older.applied(slug)).slice(-2)).toEqual([ours, theirs]);
  });
});
