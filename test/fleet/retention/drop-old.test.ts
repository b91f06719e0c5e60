import type pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RetentionConfig } from '../../../src/config/retention-config.ts';
import { dropOldRecords, PORTION } from '../../../src/fleet/retention/drop-old.ts';
import { lockKind } from '../../../src/postgres/sql/advisory-lock.ts';
import { Fleet } from '../../support/fleet.ts';
import { runCommand } from '../../support/run-command.ts';

const forEver: RetentionConfig = {
  tenantDays: 7,
  runEventDays: 0,
  runItemDays: 0,
  deletedRecordDays: 0,
  auditDays: 0,
  signInDays: 0,
};
const nothing = { runEvents: 0, runItems: 0, deletedRecords: 0, auditEntries: 0, invitations: 0 };

describe('records that have reached their age', () => {
  let fleet: Fleet;
  let owner: pg.Client;
  beforeAll(async () => {
    fleet = await Fleet.start();
    await fleet.createTenants({ one: 'SCHEMA', two: 'SCHEMA' });
    owner = await fleet.session(fleet.app.services.config.databases.auth);
  });
  afterEach(() => fleet.inCatalog('UPDATE migration_runs SET ended_at = now() WHERE ended_at IS NOT NULL'));
  afterAll(() => fleet[Symbol.asyncDispose]());

  const drop = (ages: Partial<RetentionConfig>) =>
    dropOldRecords({ use: (work) => work(owner) }, { ...forEver, ...ages }, new AbortController().signal);
  const age = (run: string, days: number) =>
    fleet.inCatalog('UPDATE migration_runs SET ended_at = now() - make_interval(days => $2) WHERE id = $1', [
      run,
      days,
    ]);
  const countOf = async (table: 'migration_events' | 'migration_run_items', run: string) => {
    const rows = await fleet.inCatalog<{ count: number }>(
      `SELECT count(*)::int AS count FROM ${table} WHERE run_id = $1`,
      [run],
    );
    return rows[0]?.count;
  };
  let made = 0;
  async function newRun(): Promise<string> {
    made += 1;
    const name = `2027010${made}000000_retained`;
    const column = `retained_${made}`;
    await fleet.migrations.addReversible(
      name,
      `ALTER TABLE products ADD COLUMN ${column} integer`,
      `ALTER TABLE products DROP COLUMN ${column}`,
    );
    return (await fleet.run()).id;
  }
  const insertEvents = (run: string, count: number) =>
    fleet.inCatalog(
      `WITH more AS (UPDATE migration_runs SET last_seq = last_seq + $2 WHERE id = $1 RETURNING last_seq)
       INSERT INTO migration_events (run_id, seq, kind, done, total)
       SELECT $1, last_seq - $2 + n, 'RUN_WARNING', 0, 0 FROM more, generate_series(1, $2::int) n`,
      [run, count],
    );

  it('are the events of a run, which then says that they are gone', async () => {
    const [old, young] = [await newRun(), await newRun()];
    await insertEvents(old, 2 * PORTION + 7);
    await age(old, 11);
    await age(young, 9);
    const events = await countOf('migration_events', old);
    expect(await drop({ runEventDays: 10 })).toEqual({ ...nothing, runEvents: events });
    expect(await countOf('migration_events', old)).toBe(0);
    expect(await countOf('migration_events', young)).toBeGreaterThan(0);
    const [event, ...others] = await fleet.events(old);
    expect(others).toEqual([]);
    expect(event).toMatchObject({
      kind: 'RUN_WARNING',
      message: expect.stringMatching(/^The events of this run were deleted on 20.*RUN_EVENT_RETENTION_DAYS/),
    });
    const shown = `{ migrationRun(id: "${old}") { eventsDroppedAt itemsDroppedAt succeeded items { totalCount } } }`;
    expect(await fleet.ask(shown)).toEqual({
      migrationRun: {
        eventsDroppedAt: expect.any(String),
        itemsDroppedAt: null,
        succeeded: 2,
        items: { totalCount: 2 },
      },
    });
    expect(await drop({ runEventDays: 10 })).toEqual(nothing);
  });

  it('are the items of a run, which can then be neither undone nor resumed, and says so', async () => {
    const [old, young] = [await newRun(), await newRun()];
    await age(old, 11);
    expect(await drop({ runItemDays: 10 })).toMatchObject({ runItems: 2 });
    expect(await fleet.refusal(`mutation { undoMigrationRun(id: "${old}") { id } }`)).toEqual({
      code: 'CONFLICT',
      message: expect.stringMatching(
        /^This run can no longer be undone: .* was deleted on 20.*RUN_ITEM_RETENTION_DAYS/,
      ),
    });
    expect(await fleet.refusal(`mutation { resumeMigrationRun(id: "${old}") { id } }`)).toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('can no longer be resumed'),
    });
    expect(await fleet.ask(`{ migrationRun(id: "${old}") { itemsDroppedAt succeeded items { totalCount } } }`)).toEqual(
      {
        migrationRun: { itemsDroppedAt: expect.any(String), succeeded: 2, items: { totalCount: 0 } },
      },
    );
    const env = { NODE_ENV: 'test', DATA_DIR: fleet.app.services.config.dataDir };
    const { stdout } = await runCommand(['migrate', 'watch', old], env);
    expect(stdout).toContain('What it did to each tenant was deleted on 20');
    // A younger run is undone as before.
    await fleet.ask(`mutation { undoMigrationRun(id: "${young}") { id } }`);
  });

  it('are not those of a run that goes on or was resumed, however old it is', async () => {
    const run = await fleet.startRun(', verify: true');
    await fleet.events(run);
    await fleet.inCatalog(
      `UPDATE migration_runs SET ended_at = NULL, created_at = now() - interval '1000 days' WHERE id = $1`,
      [run],
    );
    expect(await drop({ runEventDays: 1, runItemDays: 1 })).toEqual(nothing);
    await age(run, 0);
  });

  it('are the records of removed tenants', async () => {
    await newRun();
    await fleet.createTenants({ removed: 'SCHEMA' });
    await newRun();
    await fleet.ask('mutation { deleteTenant(id: "removed", slug: "removed", purge: true) { id } }');
    expect(await drop({ deletedRecordDays: 10 })).toEqual(nothing);
    await fleet.inCatalog(`UPDATE migration_records SET applied_at = now() - interval '11 days'`);
    const others = 'SELECT count(*)::int AS count FROM migration_records WHERE deleted_tenant IS NULL';
    const before = await fleet.inCatalog(others);
    expect(await drop({ deletedRecordDays: 10 })).toEqual({ ...nothing, deletedRecords: 1 });
    expect(await fleet.inCatalog(others)).toEqual(before);
  });

  it('are entries of the audit log only if the settings say so, and never younger ones than 30 days', async () => {
    const insert = (action: string, days: number, count: number) =>
      fleet.inCatalog(
        `INSERT INTO audit_log (at, actor, action, outcome)
         SELECT now() - make_interval(days => $2), 'old', $1, 'OK' FROM generate_series(1, $3::int)`,
        [action, days, count],
      );
    const left = async () =>
      fleet.inCatalog(
        `SELECT action, count(*)::int AS count FROM audit_log WHERE actor = 'old' GROUP BY action ORDER BY action`,
      );
    await insert('login', 50, 3);
    await insert('createTenant', 50, 2);
    expect(await drop({})).toEqual(nothing);
    expect(await drop({ signInDays: 40 })).toEqual({ ...nothing, auditEntries: 3 });
    expect(await left()).toEqual([{ action: 'createTenant', count: 2 }]);
    for (const sql of [`DELETE FROM audit_log WHERE actor = 'old'`, 'TRUNCATE audit_log']) {
      await expect(owner.query(sql)).rejects.toThrow('only added');
    }
    await insert('createTenant', 20, 1);
    await expect(drop({ auditDays: 10 })).rejects.toThrow('only added');
  });

  it('are deleted by one process at a time', async () => {
    const run = await newRun();
    await age(run, 11);
    const other = await fleet.session(fleet.app.services.config.databases.auth);
    await other.query(`BEGIN; SELECT pg_advisory_xact_lock(${lockKind.retention}, 0)`);
    expect(await drop({ runEventDays: 10 })).toEqual(nothing);
    await other.query('COMMIT');
    expect((await drop({ runEventDays: 10 })).runEvents).toBeGreaterThan(0);
  });

  it('are found through an index', async () => {
    await fleet.inCatalog(
      `INSERT INTO migration_records (tenant_id, scope, name, hash, status, applied_at, deleted_tenant)
       SELECT NULL, 'TENANT', 'n', 'h', 'APPLIED', now(), CASE WHEN n % 10 = 0 THEN 'gone' END FROM generate_series(1, $1::int) n`,
      [Number(process.env.RETENTION_ROWS ?? 100_000)],
    );
    await fleet.inCatalog('ANALYZE migration_records');
    const plan = await fleet.inCatalog<{ 'QUERY PLAN': string }>(
      `EXPLAIN SELECT id FROM migration_records WHERE deleted_tenant IS NOT NULL AND applied_at < now() - interval '10 days'
       ORDER BY applied_at LIMIT 1000`,
    );
    expect(plan.map((line) => line['QUERY PLAN']).join('\n')).toContain('migration_records_deleted_idx');
  });
});
