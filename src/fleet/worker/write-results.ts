import type pg from 'pg';
import { type CommonState, storeCommonStates } from '../../catalog/common-states.ts';
import { type ObservedState, storeMigrationStates } from '../../catalog/migration-states.ts';
import { type AttemptStatus, fromSql } from '../../catalog/run-status.ts';
import { takeStepSql, tenantSteps } from '../../catalog/tenant-status.ts';
import type { NewRecord } from '../../migrator/files/history.ts';
import { inTransaction } from '../../postgres/sql/transaction.ts';
import { appendEvents, type NewRunEvent } from '../events/append.ts';
import type { Failure } from '../failures/failure.ts';
import { type SettledRun, settleRun } from '../runs/settle.ts';
import { wakeWorkers } from './wake-up.ts';
import { type ItemProgress, writeProgress } from './write-progress.ts';

/** What an attempt at a tenant did to its database's schema `common`. */
export interface CommonReport {
  readonly state: CommonState;
  readonly records: readonly NewRecord[];
}

/** The result of one attempt at a tenant of a run. */
export interface ItemResult {
  readonly position: number;
  readonly tenantId: string;
  /** The claim under which the attempt was made. A process that has lost it must not write the tenant's result. */
  readonly claim: string;
  /** PENDING means that the tenant is retried. */
  readonly status: AttemptStatus;
  /** For PENDING: the delay before the retry, in milliseconds; if omitted, none. */
  readonly delayMs?: number;
  readonly applied: readonly string[];
  readonly attempts: number;
  readonly error?: string;
  /** For FAILED: what the error has in common with that of other tenants. */
  readonly failure?: Failure;
  /** Whether the tenant must not be served until an operator has checked it. */
  readonly needsAttention?: boolean;
  readonly durationMs: number;
  /** The attempts, for the fleet's history. */
  readonly records: readonly NewRecord[];
  /** What the attempt did to `common`; undefined if nothing was to be done there. */
  readonly common?: CommonReport;
  /** The tenant's migrations now; undefined if unknown. */
  readonly state?: ObservedState;
  /** The events. The last one ends the tenant, unless it is retried. */
  readonly events: readonly NewRunEvent[];
}

/** A tenant of a run, as seen by the process that works on it. */
export interface ClaimedItem extends Pick<ItemResult, 'position' | 'tenantId' | 'claim'> {
  /** Whether work on it had started before the claim. */
  readonly begun: boolean;
}

/** An entry to write: the start of work on a tenant, what an attempt has done so far, or the result of an attempt. */
export type Entry = {
  /** When it happened, as a `performance.now()` value. */
  readonly at: number;
} & (
  | { readonly started: ClaimedItem; readonly progress?: never; readonly result?: never }
  | { readonly started?: never; readonly progress: ItemProgress; readonly result?: never }
  | { readonly started?: never; readonly progress?: never; readonly result: ItemResult }
);

/**
 * Writes, in one transaction, what happened to tenants of a run, and settles the run. Skips what an earlier write
 * without a response has already stored, and tenants that another process has taken over.
 */
export function writeEntries(client: pg.Client, run: string, entries: readonly Entry[]): Promise<SettledRun> {
  return inTransaction(client, async () => {
    // Every writer locks the run first. Once the run has ended, the only entries left are those of tenants that other
    // processes have taken over.
    const { rowCount } = await client.query(
      'SELECT FROM migration_runs WHERE id = $1 AND ended_at IS NULL FOR UPDATE',
      [run],
    );
    if (rowCount === 0) return { hasEnded: true, stopping: true };
    const results = entries.flatMap(({ result }) => result ?? []);
    const started = entries.flatMap((entry) => entry.started ?? []);
    const ending = new Set(results.map(({ claim }) => claim));
    // Tenants that also end here get their start time with the result: updating a row twice in one transaction makes
    // PostgreSQL check it twice.
    const marked = await markStarted(
      client,
      run,
      started.filter(({ claim }) => !ending.has(claim)),
    );
    const progress = await writeProgress(
      client,
      run,
      entries.flatMap((entry) => entry.progress ?? []),
    );
    const accepted = await updateItems(client, run, results, new Set(started.map(({ claim }) => claim)));
    const ended = accepted.filter(({ status }) => status !== 'PENDING');
    await countEnded(client, run, ended);
    await appendEvents(client, run, eventsOf(entries, marked, new Set(accepted), progress));
    await storeMigrationStates(client, latestStates([...progress.values(), ...accepted]));
    await storeCommonStates(
      client,
      accepted.flatMap(({ common }) => common?.state ?? []),
    );
    await markNeedsAttention(client, accepted);
    await insertRecords(client, [...progress.values(), ...accepted]);
    if (ended.length < accepted.length) await wakeWorkers(client, run);
    return settleRun(client, run);
  });
}

/** A tenant may have completed several stages since the last write. */
function latestStates(reports: readonly Pick<ItemResult, 'tenantId' | 'state'>[]): (ObservedState & TenantId)[] {
  const latest = new Map<string, ObservedState & TenantId>();
  for (const { tenantId, state } of reports) if (state) latest.set(tenantId, { tenantId, ...state });
  return [...latest.values()];
}

type TenantId = Pick<ItemResult, 'tenantId'>;

function eventsOf(
  entries: readonly Entry[],
  marked: readonly string[],
  accepted: ReadonlySet<ItemResult>,
  stored: ReadonlyMap<ItemProgress, ItemProgress>,
): NewRunEvent[] {
  const ours = new Set([...marked, ...[...accepted].map(({ claim }) => claim)]);
  return entries.flatMap(({ at, started, progress, result }): readonly NewRunEvent[] => {
    if (started) {
      if (started.begun || !ours.has(started.claim)) return [];
      return [{ kind: 'TENANT_STARTED', tenantId: started.tenantId, message: 'work begins', happenedAt: at }];
    }
    if (progress) return (stored.get(progress)?.events ?? []).map((event) => ({ happenedAt: at, ...event }));
    if (!accepted.has(result)) return [];
    const { status, events } = result;
    let before = at;
    return events
      .toReversed()
      .map((reported, index) => {
        // An event without its own time keeps its position among the tenant's other events.
        before = reported.happenedAt ?? before;
        return { ...reported, happenedAt: before, endsTenant: status !== 'PENDING' && index === 0 };
      })
      .toReversed();
  });
}

/** @returns the claims whose start was not recorded yet, not even by an earlier write without a response */
async function markStarted(client: pg.Client, run: string, items: readonly ClaimedItem[]): Promise<readonly string[]> {
  if (items.length === 0) return [];
  const { rows } = await client.query<{ claim: string }>(
    `UPDATE migration_run_items i SET started_at = now() FROM unnest($2::int[], $3::uuid[]) AS s (position, claim)
     WHERE i.run_id = $1 AND i.position = s.position AND i.claim = s.claim AND ${fromSql('finish', 'i.status')}
       AND i.started_at IS NULL
     RETURNING i.claim`,
    [run, items.map(({ position }) => position), items.map(({ claim }) => claim)],
  );
  return rows.map(({ claim }) => claim);
}

/**
 * @param started claims on which work has started
 * @returns the results of tenants that no other process has taken over in the meantime
 */
async function updateItems(
  client: pg.Client,
  run: string,
  results: readonly ItemResult[],
  started: ReadonlySet<string>,
): Promise<readonly ItemResult[]> {
  if (results.length === 0) return [];
  const { rows } = await client.query<{ position: number }>(
    `UPDATE migration_run_items i SET status = r.status, attempts = r.attempts, error = r.error, failure = r.failure,
       needs_attention = r.needs_attention, claimed_by = NULL, claim = NULL,
       not_before = now() + r.delay_ms * interval '1 millisecond',
       applied = ARRAY(SELECT jsonb_array_elements_text(r.applied)), duration_ms = r.duration_ms,
       started_at = CASE WHEN r.started THEN coalesce(i.started_at, now()) ELSE i.started_at END,
       ended_at = CASE WHEN r.status <> 'PENDING' THEN now() END
     FROM unnest($2::int[], $3::text[], $4::int[], $5::text[], $6::jsonb[], $7::float8[], $8::uuid[], $9::boolean[],
         $10::boolean[], $11::float8[], $12::jsonb[])
       AS r (position, status, attempts, error, applied, duration_ms, claim, started, needs_attention, delay_ms, failure)
     WHERE i.run_id = $1 AND i.position = r.position AND i.claim = r.claim AND ${fromSql('finish', 'i.status')}
     RETURNING i.position`,
    [
      run,
      results.map(({ position }) => position),
      results.map(({ status }) => status),
      results.map(({ attempts }) => attempts),
      results.map(({ error }) => error),
      results.map(({ applied }) => JSON.stringify(applied)),
      results.map(({ durationMs }) => durationMs),
      results.map(({ claim }) => claim),
      results.map(({ claim }) => started.has(claim)),
      results.map(({ needsAttention = false }) => needsAttention),
      results.map(({ delayMs }) => delayMs),
      results.map(({ failure }) => failure && JSON.stringify(failure)),
    ],
  );
  const accepted = new Set(rows.map(({ position }) => position));
  return results.filter(({ position }) => accepted.has(position));
}

async function countEnded(client: pg.Client, run: string, ended: readonly ItemResult[]): Promise<void> {
  if (ended.length === 0) return;
  const count = (status: ItemResult['status']) => ended.filter((result) => result.status === status).length;
  await client.query(
    `UPDATE migration_runs SET succeeded = succeeded + $2, failed = failed + $3, skipped = skipped + $4,
       wave_open = wave_open - $5, wave_failed = wave_failed + $3 WHERE id = $1`,
    [run, count('SUCCEEDED'), count('FAILED'), count('SKIPPED'), ended.length],
  );
}

/** Nobody knows any longer which migrations such a tenant has. */
async function markNeedsAttention(client: pg.Client, results: readonly ItemResult[]): Promise<void> {
  const ids = results.flatMap(({ needsAttention, tenantId }) => (needsAttention ? [tenantId] : []));
  if (ids.length === 0) return;
  const set = 'status_before_attention = t.status, migration_state = NULL';
  await client.query(takeStepSql(tenantSteps.needAttention, { where: 't.id = ANY ($1::uuid[])', set }), [ids]);
  // One that was to be brought back stays in the bin, and needs attention when it is brought back.
  await client.query(
    `UPDATE tenants SET status_before_attention = status_before_deletion, status_before_deletion = 'NEEDS_ATTENTION',
       migration_state = NULL
     WHERE id = ANY ($1::uuid[]) AND status = 'DELETED' AND status_before_deletion <> 'NEEDS_ATTENTION'`,
    [ids],
  );
}

async function insertRecords(
  client: pg.Client,
  results: readonly Pick<ItemResult, 'tenantId' | 'records' | 'common'>[],
): Promise<void> {
  const rows = results.flatMap(({ tenantId, records, common }) => [
    ...(common?.records ?? []).map((record) => ({ ...record, tenantId, scope: 'COMMON' })),
    ...records.map((record) => ({ ...record, tenantId, scope: 'TENANT' })),
  ]);
  if (rows.length === 0) return;
  await client.query(
    `INSERT INTO migration_records (tenant_id, scope, name, hash, status, run_id, checkpoint, applied_at, duration_ms, error)
     SELECT tenant_id, scope, name, hash, status, run_id, checkpoint, now(), duration_ms, error
     FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::float8[], $8::text[], $9::text[])
       AS r (tenant_id, name, hash, status, run_id, checkpoint, duration_ms, error, scope)`,
    [
      rows.map(({ tenantId }) => tenantId),
      rows.map(({ name }) => name),
      rows.map(({ hash }) => hash),
      rows.map(({ status }) => status),
      rows.map(({ run }) => run),
      rows.map(({ checkpoint }) => checkpoint),
      rows.map(({ durationMs }) => durationMs),
      rows.map(({ error }) => error),
      rows.map(({ scope }) => scope),
    ],
  );
}
