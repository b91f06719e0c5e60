import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BackfillFleet } from '../../support/backfill-fleet.ts';
import { eventually } from '../../support/eventually.ts';
import { type Fleet, statusesOf } from '../../support/fleet.ts';
import { commandsOf } from '../../support/run-command.ts';

describe('a backfill that fails', () => {
  let backfills: BackfillFleet;
  let fleet: Fleet;

  beforeAll(async () => {
    backfills = await BackfillFleet.start();
    fleet = backfills.fleet;
  });
  afterAll(() => backfills?.[Symbol.asyncDispose]());

  it('fails with the rows that it could not change, keeps what is done, and continues after a fix that is accepted', async () => {
    const table = await backfills.addTable(1000);
    const name = await backfills.backfill(table, 'changes = changes + 1 + 0 / (id - 777)::int');
    const failed = await fleet.run();
    expect(statusesOf(failed)).toEqual({ 'own-database': 'FAILED', 'own-schema': 'FAILED' });
    for (const { error } of failed.items.nodes) {
      const [, rows, after, last] =
        /division by zero.* the (\d+) rows of \w+ whose id is after (\d+) and up to (\d+)$/s.exec(error ?? '') ?? [];
      expect(Number(last) - Number(after)).toBe(Number(rows));
      expect(Number(after)).toBeLessThan(777);
      expect(Number(last)).toBeGreaterThanOrEqual(777);
    }
    const tenantry = commandsOf(fleet.app);
    await fleet.migrations.addBackfill(name, table, `UPDATE ${table} SET changes = changes + 1 WHERE KEYS`);
    await fleet.ask(`mutation { resumeMigrationRun(id: "${failed.id}") { id } }`);
    await fleet.events(failed.id);
    const changed = await fleet.runNow(failed.id);
    for (const { error } of changed.items.nodes) {
      expect(error).toMatch(
        /^MIGRATION_CHANGED: .* has been changed after it has backfilled \d+ rows: its hash was \w{12} and is now \w{12}\./,
      );
    }
    expect(await tenantry('migrate', 'accept', name)).toMatchObject({
      exit: 0,
      stdout: expect.stringContaining('2 tenants'),
    });
    expect(await fleet.resume(failed.id)).toMatchObject({ status: 'SUCCEEDED', succeeded: 2 });
    for (const slug of backfills.slugs)
      expect(await backfills.changesOf(slug, table), slug).toEqual([{ changes: 1, rows: 1000 }]);
  });

  it('cannot be undone unless it has a down()', async () => {
    const table = await backfills.addTable(10);
    const name = await backfills.backfill(table);
    const run = await fleet.run();
    expect(await fleet.refusal(`mutation { undoMigrationRun(id: "${run.id}") { id } }`)).toMatchObject({
      code: 'IRREVERSIBLE',
      message: expect.stringContaining(
        `${name} is a backfill and has no down(), so the rows that it changed cannot be reverted`,
      ),
    });
    await backfills.backfill(
      table,
      'changes = changes + 1',
      `down() { this.addSql('UPDATE ${table} SET changes = changes - 1'); }`,
    );
    const second = await fleet.run();
    await fleet.ask(`mutation { undoMigrationRun(id: "${second.id}") { id } }`);
    await eventually(
      'the run is undone',
      async () => (await backfills.changesOf('own-schema', table))[0]?.changes === 1,
    );
  });

  it('starts again from the first row after the migration before it was reverted', async () => {
    const table = await backfills.addTable(1000);
    const before = backfills.next('before');
    await fleet.migrations.addReversible(
      before,
      `ALTER TABLE ${table} ADD COLUMN slug text`,
      `ALTER TABLE ${table} DROP COLUMN slug`,
    );
    const name = await backfills.backfill(table, `slug = 1 / (1 - (id = 777)::int)`);
    const failed = await fleet.run();
    expect(failed).toMatchObject({ failed: 2 });
    // The run has applied what comes before the backfill, and that can be undone.
    await fleet.ask(`mutation { undoMigrationRun(id: "${failed.id}") { id } }`);
    await eventually('the run is undone', async () =>
      (await Promise.all(backfills.slugs.map((slug) => fleet.versionOf(slug)))).every(({ behind }) => behind === 2),
    );
    await fleet.migrations.addBackfill(name, table, `UPDATE ${table} SET slug = 'x' WHERE KEYS`);
    expect(await fleet.run()).toMatchObject({ succeeded: 2 });
    for (const slug of backfills.slugs) {
      expect(await fleet.inTenant(slug, `SELECT FROM ${table} WHERE slug IS NULL`), slug).toEqual([]);
    }
  });

  it('is refused with what has to be changed', async () => {
    const table = await backfills.addTable(1);
    const name = backfills.next('backfill');
    const problems: [text: string, message: string][] = [
      [`UPDATE ${table} SET changes = 1`, 'has to use the condition it is given'],
      [`UPDATE ${table} SET changes = 1 WHERE KEYS; SELECT 1`, 'must have one statement'],
      [`UPDATE public.${table} SET changes = 1 WHERE KEYS`, "would leave the tenant's schema"],
    ];
    for (const [statement, message] of problems) {
      await fleet.migrations.addBackfill(name, table, statement);
      const { errors, data } = await fleet.http.ask<{ migrationPlan: { tenants: { refusal: string }[] } }>(
        '{ migrationPlan { tenants { refusal } } }',
        fleet.app.admin,
      );
      expect(errors?.[0]?.message ?? data?.migrationPlan.tenants[0]?.refusal, statement).toContain(message);
    }
    await fleet.migrations.addBackfill(name, table, `UPDATE ${table} SET changes = 1, id = id + 1000 WHERE KEYS`);
    expect((await fleet.run()).items.nodes[0]?.error).toBe(
      `${name} failed: it changes id, which is part of the primary key of ${table}, in whose order the rows are changed. Write a Migration with this statement instead`,
    );
    await fleet.migrations.addBackfill(name, 'missing', 'UPDATE missing SET changes = 1 WHERE KEYS');
    expect((await fleet.run()).items.nodes[0]?.error).toBe(`${name} failed: there is no table missing`);
    await fleet.migrations.addBackfill(name, table, `UPDATE ${table} SET changes = 1 WHERE KEYS`);
    const refused = await fleet.run(', checkpoint: TRANSACTION');
    expect(refused.items.nodes[0]?.error).toContain(
      `${name} is a backfill, which is committed in batches, so the batch cannot be one transaction`,
    );
    expect(await fleet.run()).toMatchObject({ succeeded: 2 });
  });
});
