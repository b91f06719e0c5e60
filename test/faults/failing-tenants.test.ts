import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FaultLab } from '../support/fault-lab.ts';
import type { ShownRun } from '../support/fleet.ts';
import { auditRun } from '../support/fleet-audit.ts';

describe('a run in which one tenant is in trouble', () => {
  let lab: FaultLab;

  beforeAll(async () => {
    lab = await FaultLab.start({ schemas: 8, databases: 2 }, { MIGRATION_LOCK_TIMEOUT_MS: '150' });
    await lab.keepWorkers(2);
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  const isUnlucky = (slug: string) => slug === 'tenant-003' || slug === 'tenant-010-db';
  const itemOf = (run: ShownRun, slug: string) => run.items.nodes.find(({ tenant }) => tenant.slug === slug);
  const runAndAudit = async () => {
    const run = await lab.fleet.startRun();
    await lab.fleet.events(run);
    return auditRun(lab, run);
  };

  it.each(['tenant-003', 'tenant-010-db'])(
    'gives %s up whose table a long transaction holds, says why, and migrates it when the lock is gone',
    async (slug) => {
      const name = await lab.addRound('ALTER TABLE products ADD COLUMN IF NOT EXISTS extra int');
      const blocker = await lab.fleet.sessionIn(slug);
      await blocker.query('BEGIN; LOCK TABLE products IN ACCESS SHARE MODE');
      const run = await runAndAudit();
      expect(run).toMatchObject({ status: 'FAILED', succeeded: 9, failed: 1 });
      expect(itemOf(run, slug)?.error).toMatch(`${name} failed: canceling statement due to lock timeout`);
      await lab.fleet.end(blocker);
      expect(await runAndAudit()).toMatchObject({ status: 'SUCCEEDED', succeeded: 1, skipped: 9 });
    },
  );

  it('is tried again, and succeeds when the lock comes free in time', async () => {
    await lab.addRound('ALTER TABLE products ADD COLUMN IF NOT EXISTS another int');
    const blocker = await lab.fleet.sessionIn('tenant-003');
    await blocker.query('BEGIN; LOCK TABLE products IN ACCESS SHARE MODE');
    const run = await lab.fleet.startRun();
    for await (const { kind } of lab.fleet.follow(run)) if (kind === 'TENANT_RETRYING') break;
    await lab.fleet.end(blocker);
    await lab.fleet.events(run);
    const ended = await auditRun(lab, run);
    expect(ended).toMatchObject({ status: 'SUCCEEDED', succeeded: 10 });
    expect(itemOf(ended, 'tenant-003')?.attempts).toBeGreaterThan(1);
  });

  it('is tried again soon, also by a machine whose clock is an hour ahead', async () => {
    await lab.keepWorkers(0);
    const clock = 'const now = Date.now; Date.now = () => now() + 3_600_000;';
    await lab.startWorker({ NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(clock)}` });
    await lab.addRound('ALTER TABLE products ADD COLUMN IF NOT EXISTS later int');
    const blocker = await lab.fleet.sessionIn('tenant-003');
    await blocker.query('BEGIN; LOCK TABLE products IN ACCESS SHARE MODE');
    const run = await lab.fleet.startRun();
    for await (const { kind } of lab.fleet.follow(run)) if (kind === 'TENANT_RETRYING') break;
    await lab.fleet.end(blocker);
    await lab.fleet.events(run);
    expect(await auditRun(lab, run)).toMatchObject({ status: 'SUCCEEDED', succeeded: 10 });
  });

  it('leaves tenants old whose disk is full, and brings them forward when there is room', async () => {
    // What PostgreSQL says then, said by a trigger: the statement fails in the middle of the batch.
    const full = async (slug: string) => {
      await lab.fleet.inTenant(
        slug,
        `CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$`,
      );
      await lab.fleet.inTenant(
        slug,
        'CREATE TRIGGER disk_full BEFORE INSERT ON migration_log EXECUTE FUNCTION disk_full()',
      );
    };
    const name = await lab.addRound();
    const unlucky = lab.slugs.filter(isUnlucky);
    await Promise.all(unlucky.map(full));
    const run = await runAndAudit();
    expect(run).toMatchObject({ status: 'FAILED', succeeded: 8, failed: 2 });
    for (const slug of unlucky) {
      // Not tried again: in a second there is no more room than now.
      expect(itemOf(run, slug)).toMatchObject({ status: 'FAILED', attempts: 1, applied: [] });
      expect(itemOf(run, slug)?.error).toMatch(`${name} failed: could not extend file: No space left on device`);
      await lab.fleet.inTenant(slug, 'DROP FUNCTION disk_full CASCADE');
    }
    expect(await lab.fleet.resume(run.id)).toMatchObject({ status: 'SUCCEEDED', succeeded: 10, failed: 0 });
    await auditRun(lab, run.id);
  });
});
