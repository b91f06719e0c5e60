import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CuttingProxy, startCuttingProxy } from '../support/cutting-proxy.ts';
import { eventually } from '../support/eventually.ts';
import { FaultLab } from '../support/fault-lab.ts';
import { auditRun } from '../support/fleet-audit.ts';

describe('a run whose process hears nothing of what it has committed in auth', () => {
  let lab: FaultLab;
  let proxy: CuttingProxy;

  beforeAll(async () => {
    lab = await FaultLab.start({ schemas: 3, databases: 0 }, { MIGRATION_LOCK_TIMEOUT_MS: '60000' });
    proxy = await startCuttingProxy(lab.postgres.address.port);
  });
  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
  });
  beforeEach(() => lab.keepWorkers(0));

  const startWorker = () => lab.startWorker({ ...lab.postgres.envThrough(proxy.port), MIGRATION_CONCURRENCY: '1' });
  /** From now on, until `times` is 0. */
  const cutCommitsInAuth = (times: number) => proxy.cutAfter('COMMIT', times, 'shared');

  it('finds the tenants that it claimed without knowing', async () => {
    const worker = await startWorker();
    await lab.addRound();
    cutCommitsInAuth(1_000);
    const run = await lab.fleet.startRun();
    await eventually('tenants are claimed', async () => {
      const [row] = await lab.fleet.inCatalog<{ claimed: number }>(
        `SELECT count(*)::int AS claimed FROM migration_run_items WHERE status = 'RUNNING'`,
      );
      return (row?.claimed ?? 0) > 0;
    });
    cutCommitsInAuth(0);
    await lab.fleet.events(run);
    expect(await auditRun(lab, run)).toMatchObject({ status: 'SUCCEEDED', succeeded: 3 });
    expect(lab.workers).toEqual([worker]);
  });

  it('tells only once that work on a tenant begins', async () => {
    await startWorker();
    await lab.addRound('ALTER TABLE products ADD COLUMN extra int');
    const [first, second] = await Promise.all(
      ['tenant-001', 'tenant-002'].map(async (slug) => {
        const blocker = await lab.fleet.sessionIn(slug);
        await blocker.query('BEGIN; LOCK TABLE products IN ACCESS SHARE MODE');
        return blocker;
      }),
    );
    const run = await lab.fleet.startRun();
    const begins = async (slug: string) => {
      for await (const { kind, tenant } of lab.fleet.follow(run))
        if (kind === 'TENANT_STARTED' && tenant?.slug === slug) return;
    };
    await begins('tenant-001');
    cutCommitsInAuth(1_000);
    if (first) await lab.fleet.end(first);
    await begins('tenant-002');
    cutCommitsInAuth(0);
    if (second) await lab.fleet.end(second);
    await lab.fleet.events(run);
    expect(await auditRun(lab, run)).toMatchObject({ status: 'SUCCEEDED', succeeded: 3 });
  });

  it('keeps what a batch with a snapshot has done, and has a checkpoint that is there', async () => {
    const slug = 'own-db';
    await lab.fleet.createTenants({ [slug]: 'DATABASE' });
    const { database } = await lab.fleet.tenant(slug);
    await startWorker();
    await lab.addRound('SELECT pg_sleep(0.9)');
    const run = await lab.fleet.startRun(`tenants: ["${slug}"], checkpoint: SNAPSHOT`);
    await eventually('the batch is in progress', async () => {
      const rows = await lab.postgres.rows(
        `SELECT FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(0.9)' AND state = 'active' AND datname = $1`,
        [database],
      );
      return rows.length === 1;
    });
    proxy.cutAfter('COMMIT', 1_000, database);
    const checkpoints = () =>
      lab.fleet.inCatalog<{ there: boolean }>(
        `SELECT EXISTS (SELECT FROM pg_database WHERE datname = database) AS there FROM checkpoints WHERE NOT is_dropping`,
      );
    await eventually('its end is written down', async () => (await checkpoints()).length === 1);
    cutCommitsInAuth(0);
    await lab.fleet.events(run);
    expect(await auditRun(lab, run)).toMatchObject({ status: 'SUCCEEDED', succeeded: 1 });
    expect(await checkpoints()).toEqual([{ there: true }]);
  });
});
