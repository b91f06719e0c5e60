import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FaultLab } from '../support/fault-lab.ts';
import { auditRun } from '../support/fleet-audit.ts';
import { seededRandom, seeds } from '../support/seeded-random.ts';

const [base, notes] = ['20270103000000_base', '20270103000001_notes'];

describe('a run that takes migrations back', () => {
  let lab: FaultLab;

  beforeAll(async () => {
    lab = await FaultLab.start({ schemas: 12, databases: 4 }, { MIGRATION_LOCK_TIMEOUT_MS: '60000' });
    // A second undo would revert this.
    await lab.fleet.migrations.addReversible(base, 'CREATE TABLE base (id int)', 'DROP TABLE base');
    await lab.keepWorkers(1);
    await apply();
    await lab.fleet.migrations.addReversible(
      notes,
      'CREATE TABLE notes (id int)',
      'DROP TABLE notes; SELECT pg_sleep(0.01 + random() * 0.03)',
    );
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  /** Applies the migration to all tenants, and gives the id of the run that did. */
  const apply = async (): Promise<string> => {
    const run = await lab.fleet.startRun();
    await lab.fleet.events(run);
    return run;
  };
  const begin = async (mutation: string): Promise<string> =>
    (await lab.fleet.ask<{ begun: { id: string } }>(`mutation { begun: ${mutation} { id } }`)).begun.id;
  /** The tenants that have a table. */
  const having = async (table: string) => {
    const found = await Promise.all(
      lab.slugs.map(async (slug) => {
        const [row] = await lab.fleet.inTenant<{ there: boolean }>(
          slug,
          `SELECT to_regclass('${table}') IS NOT NULL AS there`,
        );
        return row?.there ? [slug] : [];
      }),
    );
    return found.flat();
  };
  const all = () => lab.slugs.length;

  it.each(seeds(2))('survives a killed worker, and reverts nothing else: seed %i', async (seed) => {
    const random = seededRandom(seed);
    const [victim] = await lab.keepWorkers(2);
    const applied = await apply();
    const run = await begin(
      random.chance(0.5) ? `undoMigrationRun(id: "${applied}")` : 'rollbackMigrations(input: { steps: 1 })',
    );
    // The moment is the fault: it is not waited for anything.
    await sleep(random.int(0, 300));
    await victim?.end('SIGKILL');
    await lab.ended(run);
    expect(await auditRun(lab, run)).toMatchObject({ status: 'SUCCEEDED', succeeded: all() });
    expect(await having('notes')).toEqual([]);
    expect(await having('base')).toEqual(lab.slugs);
  });

  it('can be cancelled, which finishes tenants in progress and leaves the others unchanged, and resumed', async () => {
    await lab.keepWorkers(1);
    const applied = await apply();
    const readers = await Promise.all(lab.slugs.map((slug) => lab.fleet.sessionIn(slug)));
    for (const reader of readers) await reader.query('BEGIN; LOCK TABLE notes IN ACCESS SHARE MODE');
    const run = await begin(`undoMigrationRun(id: "${applied}")`);
    for await (const { kind } of lab.fleet.follow(run)) if (kind === 'TENANT_STARTED') break;
    expect(await lab.fleet.cancel(run)).toBe(true);
    for (const reader of readers) await lab.fleet.end(reader);
    await lab.ended(run);
    const { status, items } = await auditRun(lab, run);
    const left = items.nodes.filter((item) => item.status === 'CANCELLED').map(({ tenant }) => tenant.slug);
    expect(status).toBe('CANCELLED');
    expect(left.length).toBeGreaterThan(0);
    expect((await having('notes')).toSorted()).toEqual(left.toSorted());
    await lab.fleet.resume(run);
    expect(await auditRun(lab, run)).toMatchObject({ status: 'SUCCEEDED', succeeded: all() });
    expect(await having('notes')).toEqual([]);
  });
});
