import type pg from 'pg';
import { writeAudit } from '../../auth/audit-log.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { RetentionConfig } from '../../config/retention-config.ts';
import { lockKind } from '../../postgres/sql/advisory-lock.ts';
import { inTransaction } from '../../postgres/sql/transaction.ts';

/** How many rows one transaction deletes at most. */
export const PORTION = 1_000;
/** How many runs are looked at together. */
const RUNS = 100;
/** How long an invitation is kept after it has expired, in days. */
const INVITATION_DAYS = 30;

/** How many rows were deleted. */
export interface Dropped {
  readonly runEvents: number;
  readonly runItems: number;
  readonly deletedRecords: number;
  readonly auditEntries: number;
  readonly invitations: number;
}

/** What a portion deleted: the number of rows, and where the next one begins. */
interface DroppedPortion {
  readonly count: number;
  readonly last: string;
}

/**
 * Deletes one portion, in a transaction.
 * @param after where it begins: until the next vacuum, PostgreSQL would scan all rows that were deleted before; '' for the beginning
 */
type DropPortion = (client: pg.Client, after: string) => Promise<DroppedPortion>;

const nothingLeft: DroppedPortion = { count: 0, last: '' };

/**
 * Deletes the records that have reached their age, in transactions of at most {@link PORTION} rows, oldest first. Nothing of a run
 * that has not ended is deleted. Two processes never delete at the same time: the one that comes second stops.
 * @param catalog connections of the owner's to `auth`
 * @param stop ends it after the current portion
 */
export async function dropOldRecords(
  catalog: Pick<Catalog, 'use'>,
  ages: RetentionConfig,
  stop: AbortSignal,
): Promise<Dropped> {
  const drop = (days: number, sql: string, allow?: string) =>
    days === 0
      ? Promise.resolve(0)
      : inPortions(catalog, (client, after) => dropPortion(client, { sql, allow, days, after }), stop);
  const ofRuns = async (days: number, table: RunTable) => {
    let count = 0;
    if (days === 0) return count;
    for (let isMore = true; isMore && !stop.aborted; ) {
      const before = count;
      const runs = await catalog.use((client) => oldRuns(client, table, days));
      for (const run of runs)
        count += await inPortions(catalog, (client, after) => dropOfRun(client, table, { run, days, after }), stop);
      // Without progress, another process is doing it.
      isMore = runs.length === RUNS && count > before;
    }
    return count;
  };
  const dropped = {
    runEvents: await ofRuns(ages.runEventDays, runTables.events),
    runItems: await ofRuns(ages.runItemDays, runTables.items),
    deletedRecords: await drop(ages.deletedRecordDays, recordsSql),
    auditEntries:
      (await drop(ages.auditDays, auditSql, allowAudit)) + (await drop(ages.signInDays, signInsSql, allowAudit)),
    invitations: await drop(INVITATION_DAYS, invitationsSql),
  };
  if (dropped.auditEntries > 0) await auditRetention(catalog, ages, dropped.auditEntries);
  return dropped;
}

/** Repeats a portion until there is nothing left, or another process has the lock. */
async function inPortions(catalog: Pick<Catalog, 'use'>, portion: DropPortion, stop: AbortSignal): Promise<number> {
  let total = 0;
  for (let [count, after] = [PORTION, '']; count === PORTION && !stop.aborted; ) {
    const dropped = await catalog.use((client) =>
      inTransaction(client, async () => {
        const { rows } = await client.query<{ isOurs: boolean }>(
          `SELECT pg_try_advisory_xact_lock(${lockKind.retention}, 0) AS "isOurs"`,
        );
        return rows[0]?.isOurs ? portion(client, after) : nothingLeft;
      }),
    );
    ({ count, last: after } = dropped);
    total += count;
  }
  return total;
}

/** A table with rows of runs. Its primary key is the run and the column. */
interface RunTable {
  readonly name: string;
  readonly column: string;
  readonly droppedAt: string;
}

const runTables = {
  events: { name: 'migration_events', column: 'seq', droppedAt: 'events_dropped_at' },
  items: { name: 'migration_run_items', column: 'position', droppedAt: 'items_dropped_at' },
} as const satisfies Record<string, RunTable>;

/** Runs that ended long ago and still have rows. A process that died may have left some of them. */
async function oldRuns(client: pg.Client, { name }: RunTable, days: number): Promise<readonly string[]> {
  const { rows } = await client.query<{ id: string }>(
    `SELECT id FROM migration_runs r
     WHERE ended_at < now() - make_interval(days => $1) AND EXISTS (SELECT FROM ${name} WHERE run_id = r.id)
     ORDER BY ended_at LIMIT ${RUNS}`,
    [days],
  );
  return rows.map(({ id }) => id);
}

/** Locks the run, so that a run that is resumed meanwhile keeps its rows. The same transaction stores that they were deleted. */
async function dropOfRun(
  client: pg.Client,
  { name, column, droppedAt }: RunTable,
  { run, days, after }: { readonly run: string; readonly days: number; readonly after: string },
): Promise<DroppedPortion> {
  const { rowCount } = await client.query(
    `SELECT FROM migration_runs WHERE id = $1 AND ended_at < now() - make_interval(days => $2)
     FOR NO KEY UPDATE SKIP LOCKED`,
    [run, days],
  );
  if (rowCount === 0) return nothingLeft;
  await client.query(`UPDATE migration_runs SET ${droppedAt} = now() WHERE id = $1 AND ${droppedAt} IS NULL`, [run]);
  const { rows } = await client.query<DroppedPortion>(
    `WITH gone AS (
       DELETE FROM ${name} WHERE run_id = $1 AND ${column} IN (
         SELECT ${column} FROM ${name} WHERE run_id = $1 AND ${column} > $2 ORDER BY ${column} LIMIT ${PORTION})
       RETURNING ${column} AS place)
     ${summarySql}`,
    [run, after === '' ? -1 : Number(after)],
  );
  return rows[0] ?? nothingLeft;
}

const summarySql = `SELECT count(*)::int AS count, coalesce(max(place)::text, '') AS last FROM gone`;

async function dropPortion(
  client: pg.Client,
  portion: { readonly sql: string; readonly allow: string | undefined; readonly days: number; readonly after: string },
): Promise<DroppedPortion> {
  const { sql, allow, days, after } = portion;
  if (allow !== undefined) await client.query(allow);
  const { rows } = await client.query<DroppedPortion>(`WITH gone AS (${sql}) ${summarySql}`, [days, after]);
  return rows[0] ?? nothingLeft;
}

/** Returns SQL that deletes a portion of the rows that are older than $1 days, from the time $2 on. */
function olderSql(table: string, time: string, condition = 'true', lock = 'FOR UPDATE SKIP LOCKED'): string {
  return `DELETE FROM ${table} WHERE id IN (
    SELECT id FROM ${table} WHERE ${condition} AND ${time} < now() - make_interval(days => $1)
      AND ${time} >= coalesce(nullif($2, ''), '-infinity')::timestamptz
    ORDER BY ${time} LIMIT ${PORTION} ${lock}) RETURNING ${time} AS place`;
}

const recordsSql = olderSql('migration_records', 'applied_at', 'deleted_tenant IS NOT NULL');
const invitationsSql = olderSql('invitations', 'expires_at');
const signInsSql = olderSql('audit_log', 'at', `action IN ('login', 'logout', 'register', 'switchTenant')`);

// Ids count up, so the oldest entries come first without an index of their times.
const auditSql = `DELETE FROM audit_log WHERE id IN (
    SELECT id FROM (
      SELECT id, at FROM audit_log WHERE id > coalesce(nullif($2, ''), '0')::bigint ORDER BY id LIMIT ${PORTION}) oldest
    WHERE at < now() - make_interval(days => $1))
  RETURNING id AS place`;

/** The trigger of the table allows deletions only with this setting, and only of entries that are at least 30 days old. */
const allowAudit = `SET LOCAL tenantry.audit_retention = 'on'`;

async function auditRetention(catalog: Pick<Catalog, 'use'>, ages: RetentionConfig, entries: number): Promise<void> {
  await writeAudit(catalog, {
    actor: 'Tenantry (AUDIT_RETENTION_DAYS, SIGN_IN_RETENTION_DAYS)',
    userId: undefined,
    action: 'audit.retention',
    tenantId: undefined,
    outcome: 'OK',
    address: undefined,
    requestId: undefined,
    details: JSON.stringify({ entries, auditDays: ages.auditDays, signInDays: ages.signInDays }),
  });
}
