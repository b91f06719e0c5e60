import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BackfillFleet } from '../../support/backfill-fleet.ts';
import { eventually } from '../../support/eventually.ts';
import { type Fleet, statusesOf } from '../../support/fleet.ts';
import { commandsOf } from '../../support/run-command.ts';

describe('a backfill', () => {
  let backfills: BackfillFleet;
  let fleet: Fleet;

  beforeAll(async () => {
    backfills = await BackfillFleet.start();
    fleet = backfills.fleet;
  });
  afterAll(() => backfills?.[Symbol.asyncDispose]());

  const keys: Record<string, [key: string, columns: string]> = {
    bigint: ['id bigint PRIMARY KEY', 'n'],
    uuid: ['id uuid PRIMARY KEY', `md5(n::text)::uuid`],
    text: ['"the Key" text PRIMARY KEY', `E'\\\\ '' ' || md5(n::text)`],
    'several columns': ['day date, "Kind" text, PRIMARY KEY ("Kind", day)', `date '2020-01-01' + n, 'k' || n % 7`],
  };

  it.each(Object.keys(keys))('changes each row once, in the order of a primary key of %s', async (kind) => {
    const table = await backfills.addTable(1000, ...(keys[kind] ?? ['', '']));
    const name = await backfills.backfill(table);
    const run = await fleet.run();
    expect(statusesOf(run)).toEqual({ 'own-database': 'SUCCEEDED', 'own-schema': 'SUCCEEDED' });
    for (const slug of backfills.slugs) {
      expect(await backfills.changesOf(slug, table), slug).toEqual([{ changes: 1, rows: 1000 }]);
      expect(await fleet.applied(slug)).toContain(name);
      expect(await fleet.inTenant(slug, `SELECT FROM migration_history WHERE cursor IS NOT NULL`)).toEqual([]);
    }
    expect(await fleet.run()).toMatchObject({ skipped: 2 });
  });

  it('is committed in batches, after the migrations before it and before those after it', async () => {
    const table = await backfills.addTable(2000);
    const before = backfills.next('before');
    await fleet.migrations.add(
      before,
      `ALTER TABLE ${table} ADD COLUMN slug text`,
      `CREATE TABLE ${table}_ids (id xid8)`,
    );
    const name = await backfills.backfill(table, `slug = 'x' || id, changes = txid_current()::int`);
    const after = backfills.next('after');
    await fleet.migrations.add(after, `ALTER TABLE ${table} ALTER COLUMN slug SET NOT NULL`);
    const run = await fleet.run();
    expect(run).toMatchObject({ status: 'SUCCEEDED' });
    for (const { applied } of run.items.nodes) expect(applied).toEqual([before, name, after]);
    for (const slug of backfills.slugs) {
      expect((await backfills.changesOf(slug, table)).length, slug).toBeGreaterThan(3);
      expect((await fleet.applied(slug)).slice(-3)).toEqual([before, name, after]);
      expect(await fleet.versionOf(slug)).toEqual({ version: after, behind: 0 });
    }
    const events = await fleet.events(run.id);
    const applied = events.filter(({ kind, tenant }) => kind === 'MIGRATION_APPLIED' && tenant?.slug === 'own-schema');
    expect(applied.map(({ migration }) => migration)).toEqual([before, name, after]);
    const { migrationHistory } = await fleet.ask<{
      migrationHistory: { edges: { node: { name: string; kind: string } }[] };
    }>('{ migrationHistory(first: 6) { edges { node { name kind } } } }');
    const shown = migrationHistory.edges.map(({ node }) => `${node.name} ${node.kind}`).sort();
    expect(shown).toEqual(
      [before, name, after].flatMap((each) => Array(2).fill(`${each} ${each === name ? 'BACKFILL' : 'SCHEMA'}`)).sort(),
    );
  });

  it('passes at once in new tenants, and in those whose tables are empty', async () => {
    const table = await backfills.addTable(0);
    const name = await backfills.backfill(table);
    expect(await fleet.run()).toMatchObject({ succeeded: 2 });
    await fleet.createTenants({ 'new-db': 'DATABASE', 'new-schema': 'SCHEMA' });
    for (const slug of ['new-db', 'new-schema']) {
      expect(await fleet.applied(slug)).toContain(name);
      await fleet.ask(
        `mutation { deleteTenant(id: "${(await fleet.tenant(slug)).id}", slug: "${slug}", purge: true) { id } }`,
      );
    }
  });

  it('is paused by cancelling its run, and goes on when the run is resumed', async () => {
    const table = await backfills.addTable(1500);
    const before = backfills.next('before');
    await fleet.migrations.add(before, `CREATE TABLE ${table}_before ()`);
    const name = await backfills.backfill(table, 'changes = changes + 1 + (pg_sleep(0.0005) IS NULL)::int');
    const run = await fleet.startRun();
    for await (const event of fleet.follow(run)) if (event.kind === 'BACKFILL_PROGRESS') break;
    await fleet.cancel(run);
    await fleet.events(run);
    const cancelled = await fleet.runNow(run);
    expect(statusesOf(cancelled)).toEqual({ 'own-database': 'CANCELLED', 'own-schema': 'CANCELLED' });
    for (const { applied } of cancelled.items.nodes) expect(applied).toEqual([before]);
    for (const slug of backfills.slugs) {
      const changed = await backfills.changesOf(slug, table);
      expect(
        changed.map(({ changes }) => changes),
        slug,
      ).toEqual([0, 1]);
      const [row] = await fleet.inTenant<{ error: string; done: number }>(
        slug,
        `SELECT error, (cursor ->> 'rowsDone')::int AS done FROM migration_history WHERE name = '${name}'`,
      );
      expect(row).toEqual({
        error: `The backfill has not reached the last row. ${row?.done} rows are done.`,
        done: changed[1]?.rows,
      });
      expect(await fleet.versionOf(slug)).toMatchObject({ version: before, behind: 1 });
    }
    const resumed = await fleet.resume(run);
    expect(resumed).toMatchObject({ status: 'SUCCEEDED', succeeded: 2 });
    for (const { applied } of resumed.items.nodes) expect(applied).toEqual([before, name]);
    for (const slug of backfills.slugs)
      expect(await backfills.changesOf(slug, table), slug).toEqual([{ changes: 1, rows: 1500 }]);
    const { migrationHistory } = await fleet.ask<{ migrationHistory: { edges: { node: { name: string } }[] } }>(
      '{ migrationHistory(first: 10) { edges { node { name } } } }',
    );
    // What was reported when it was paused is not reported again.
    expect(migrationHistory.edges.filter(({ node }) => node.name === before)).toHaveLength(2);
  });

  it('tells its progress in events, on the terminal and in the plan', async () => {
    const table = await backfills.addTable(1500);
    const name = await backfills.backfill(table, 'changes = changes + 1 + (pg_sleep(0.001) IS NULL)::int');
    const tenantry = commandsOf(fleet.app);
    expect((await tenantry('migrate', 'plan')).stdout).toContain(`  ${name} (BACKFILL)\n`);
    const { migrations } = await fleet.ask<{ migrations: { name: string; kind: string }[] }>(
      '{ migrations(first: 100) { name kind } }',
    );
    expect(migrations.find((each) => each.name === name)).toEqual({ name, kind: 'BACKFILL' });
    const run = await fleet.startRun();
    const watched = await tenantry('migrate', 'watch', run);
    expect(watched.stdout).toMatch(
      new RegExp(`BACKFILL_PROGRESS own-schema ${name} \\d+ of about 1500 rows, \\d+ a second, \\d+ s left`),
    );
    const query = `subscription { migrationProgress(run: "${run}") { kind message backfill { rowsDone rowsTotal rowsPerSecond remainingSeconds } } }`;
    const seen: Record<string, unknown>[] = [];
    const results = fleet.http.subscribe<{ migrationProgress: Record<string, unknown> }>(query, fleet.app.admin);
    for await (const { data } of results) if (data) seen.push(data.migrationProgress);
    const progress = seen.filter(({ kind }) => kind === 'BACKFILL_PROGRESS');
    expect(progress.at(-1)?.backfill).toMatchObject({
      rowsTotal: 1500,
      rowsPerSecond: expect.any(Number),
      remainingSeconds: expect.any(Number),
    });
    expect(seen.filter(({ kind }) => kind === 'RUN_ENDED')).toMatchObject([{ backfill: null }]);
  });

  it('is tried with one batch in a dry run, which changes nothing', async () => {
    const table = await backfills.addTable(500);
    const before = backfills.next('before');
    await fleet.migrations.add(before, `ALTER TABLE ${table} ADD COLUMN slug text`);
    const name = await backfills.backfill(table, `slug = 'x'`);
    await fleet.migrations.add(backfills.next('after'), `ALTER TABLE ${table} ALTER COLUMN slug SET NOT NULL`);
    const run = await fleet.run(', dryRun: true');
    for (const { applied } of run.items.nodes) expect(applied).toEqual([before, name]);
    const warned = (await fleet.events(run.id)).filter(({ kind }) => kind === 'TENANT_WARNING');
    expect(warned.map(({ message }) => message)).toEqual(
      Array(2).fill(
        `${name} is a backfill, so this dry run has tried one batch of it, and none of the 1 migrations after it`,
      ),
    );
    for (const slug of backfills.slugs) {
      expect(
        await fleet.inTenant(
          slug,
          `SELECT FROM pg_attribute WHERE attrelid = '${table}'::regclass AND attname = 'slug'`,
        ),
      ).toEqual([]);
    }
    await fleet.migrations.addBackfill(name, table, `UPDATE ${table} SET slug = 1 / (id - 40) WHERE KEYS`);
    const failed = await fleet.run(', dryRun: true');
    expect(failed.items.nodes[0]?.error).toBe(
      `${name} failed: division by zero, in: UPDATE ${table} SET slug = 1 / (id - 40) WHERE ("${table}"."id" <= CAST('100' AS bigint)). This concerns the 100 rows of ${table} whose id is up to 100`,
    );
    await fleet.migrations.addBackfill(name, table, `UPDATE ${table} SET slug = 'x' WHERE KEYS`);
    expect(await fleet.run()).toMatchObject({ succeeded: 2 });
  });

  it('works in tenants whose history has no column for it yet', async () => {
    const table = await backfills.addTable(1000);
    for (const slug of backfills.slugs) await fleet.inTenant(slug, 'ALTER TABLE migration_history DROP COLUMN cursor');
    await backfills.backfill(table);
    expect(await fleet.run()).toMatchObject({ succeeded: 2 });
    for (const slug of backfills.slugs)
      expect(await backfills.changesOf(slug, table), slug).toEqual([{ changes: 1, rows: 1000 }]);
  });

  it('makes room for requests that wait for its rows, and waits for theirs', async () => {
    const table = await backfills.addTable(1000);
    const name = await backfills.backfill(table);
    const request = await fleet.sessionIn('own-schema');
    await request.query(`BEGIN; UPDATE ${table} SET changes = 10 WHERE id = 900`);
    const run = await fleet.startRun();
    await eventually('the backfill has come to the row', async () => {
      const [row] = await fleet.inTenant<{ done: number }>(
        'own-schema',
        `SELECT (cursor ->> 'rowsDone')::int AS done FROM migration_history WHERE name = '${name}'`,
      );
      return row !== undefined && row.done > 500;
    });
    await new Promise((resolve) => setTimeout(resolve, 2500));
    await request.query('COMMIT');
    await fleet.end(request);
    await fleet.events(run);
    expect(await fleet.runNow(run)).toMatchObject({ status: 'SUCCEEDED' });
    expect(await backfills.changesOf('own-schema', table)).toEqual([
      { changes: 1, rows: 999 },
      { changes: 11, rows: 1 },
    ]);
  });
});
