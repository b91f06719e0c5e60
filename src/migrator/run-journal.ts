import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Logger } from 'pino';
import type { Catalog } from '../catalog/catalog.ts';
import type { MigrationRunStatus, RunItemStatus } from '../catalog/migration-run.entity.ts';
import type { AppliedMigration } from '../catalog/migration-state.entity.ts';
import { saveMigrationState } from '../catalog/migration-states.ts';
import { type RunEventKind, runChannel } from '../events/run-events.ts';
import type { NewRecord } from './history.ts';

/** How a tenant of a run ended. */
export interface ItemResult {
  readonly position: number;
  readonly tenantId: string;
  readonly status: Extract<RunItemStatus, 'SUCCEEDED' | 'SKIPPED' | 'FAILED'>;
  readonly applied: readonly string[];
  readonly attempts: number;
  readonly error?: string;
  readonly durationMs: number;
  /** What was tried, for the fleet's history. */
  readonly records: readonly NewRecord[];
  /** What the tenant has now; undefined if that has not been learned. */
  readonly state?: readonly AppliedMigration[];
}

/** One thing to write down. */
export interface Entry {
  readonly kind: RunEventKind;
  readonly tenantId?: string;
  readonly migration?: string;
  readonly message?: string;
  /** With the event that ends a tenant. */
  readonly result?: ItemResult;
}

/** How long entries are gathered before they are written together, in milliseconds. */
const GATHER_MS = 40;
const MAX_BATCH = 500;
const MAX_RETRY_MS = 5_000;

/**
 * Writes down what happens in a run: events, results, counts and the tenants' new state, together in one transaction for
 * many tenants at once. While `auth` cannot be reached it keeps trying.
 */
export class RunJournal {
  readonly #catalog: Catalog;
  readonly #run: string;
  readonly #log: Logger;
  #pending: Entry[] = [];
  #writing: Promise<void> | undefined;

  constructor(catalog: Catalog, run: string, log: Logger) {
    this.#catalog = catalog;
    this.#run = run;
    this.#log = log;
  }

  /** Adds entries; they are written soon, in this order. */
  add(...entries: Entry[]): void {
    this.#pending.push(...entries);
    this.#writing ??= this.#writeAll();
  }

  /** Resolves when everything that was added has been written. */
  async flush(): Promise<void> {
    while (this.#writing) await this.#writing;
  }

  /** Writes the last event and how the run ended, after everything else. */
  async end(status: MigrationRunStatus, message: string): Promise<void> {
    await this.flush();
    await this.#persistently((client) => writeBatch(client, this.#run, [{ kind: 'RUN_ENDED', message }], status));
  }

  async #writeAll(): Promise<void> {
    while (this.#pending.length > 0) {
      if (this.#pending.length < MAX_BATCH) await sleep(GATHER_MS);
      const batch = this.#pending.splice(0, MAX_BATCH);
      await this.#persistently((client) => writeBatch(client, this.#run, batch));
    }
    this.#writing = undefined;
  }

  async #persistently(write: (client: pg.Client) => Promise<void>): Promise<void> {
    for (let delayMs = 100; ; delayMs = Math.min(delayMs * 2, MAX_RETRY_MS)) {
      try {
        return await this.#catalog.use(write);
      } catch (error) {
        this.#log.warn(
          { err: error, run: this.#run },
          'what happened in a run cannot be written down now; trying again',
        );
        await sleep(delayMs);
      }
    }
  }
}

async function writeBatch(
  client: pg.Client,
  run: string,
  entries: readonly Entry[],
  end?: MigrationRunStatus,
): Promise<void> {
  const results = entries.flatMap(({ result }) => result ?? []);
  await client.query('BEGIN');
  try {
    const counters = await advanceRun(client, run, entries, results, end);
    await insertEvents(client, run, entries, counters);
    if (results.length > 0) {
      await updateItems(client, run, results);
      await updateTenants(client, results);
      await insertRecords(client, results);
    }
    await client.query(`SELECT pg_notify($1, $2)`, [runChannel, run]);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

interface Counters {
  /** Before this batch. */
  readonly seq: number;
  readonly done: number;
  readonly total: number;
}

/** The run's row is locked first, so that sequence numbers are given in the order in which they become visible. */
async function advanceRun(
  client: pg.Client,
  run: string,
  entries: readonly Entry[],
  results: readonly ItemResult[],
  end: MigrationRunStatus | undefined,
): Promise<Counters> {
  const count = (status: ItemResult['status']) => results.filter((result) => result.status === status).length;
  const { rows } = await client.query<Counters>(
    `UPDATE migration_runs SET last_seq = last_seq + $2,
       succeeded = succeeded + $3, failed = failed + $4, skipped = skipped + $5,
       status = coalesce($6, status), ended_at = CASE WHEN $6::text IS NULL THEN ended_at ELSE now() END
     WHERE id = $1
     RETURNING last_seq - $2 AS seq, succeeded + failed + skipped + cancelled - $7 AS done, total`,
    [run, entries.length, count('SUCCEEDED'), count('FAILED'), count('SKIPPED'), end, results.length],
  );
  const counters = rows[0];
  if (!counters) throw new Error(`The run ${run} is gone from the catalog`);
  return counters;
}

async function insertEvents(
  client: pg.Client,
  run: string,
  entries: readonly Entry[],
  before: Counters,
): Promise<void> {
  let done = before.done;
  const doneAfter = entries.map(({ result }) => {
    if (result) done += 1;
    return done;
  });
  await client.query(
    `INSERT INTO migration_events (run_id, seq, at, kind, tenant_id, migration, message, done, total)
     SELECT $1, $2 + n, clock_timestamp(), kind, tenant_id, migration, message, done, $3
     FROM unnest($4::text[], $5::uuid[], $6::text[], $7::text[], $8::int[])
       WITH ORDINALITY AS e (kind, tenant_id, migration, message, done, n)`,
    [
      run,
      before.seq,
      before.total,
      entries.map(({ kind }) => kind),
      entries.map(({ tenantId }) => tenantId),
      entries.map(({ migration }) => migration),
      entries.map(({ message }) => message),
      doneAfter,
    ],
  );
}

async function updateItems(client: pg.Client, run: string, results: readonly ItemResult[]): Promise<void> {
  await client.query(
    `UPDATE migration_run_items i SET status = r.status, attempts = r.attempts, error = r.error,
       applied = ARRAY(SELECT jsonb_array_elements_text(r.applied)), duration_ms = r.duration_ms, ended_at = now()
     FROM unnest($2::int[], $3::text[], $4::int[], $5::text[], $6::jsonb[], $7::float8[])
       AS r (position, status, attempts, error, applied, duration_ms)
     WHERE i.run_id = $1 AND i.position = r.position`,
    [
      run,
      results.map(({ position }) => position),
      results.map(({ status }) => status),
      results.map(({ attempts }) => attempts),
      results.map(({ error }) => error),
      results.map(({ applied }) => JSON.stringify(applied)),
      results.map(({ durationMs }) => durationMs),
    ],
  );
}

/** A fleet has few states, so that each is saved once and not once for each tenant. */
async function updateTenants(client: pg.Client, results: readonly ItemResult[]): Promise<void> {
  const learned = new Map<string, { state: readonly AppliedMigration[]; tenants: string[] }>();
  for (const { state, tenantId } of results) {
    if (!state) continue;
    const key = state.map(({ name, hash }) => `${name} ${hash}`).join('\n');
    const group = learned.get(key) ?? { state, tenants: [] };
    group.tenants.push(tenantId);
    learned.set(key, group);
  }
  for (const { state, tenants } of learned.values()) {
    const id = await saveMigrationState(client, state);
    await client.query(
      'UPDATE tenants SET migration_state = $1 WHERE id = ANY ($2::uuid[]) AND migration_state IS DISTINCT FROM $1',
      [id, tenants],
    );
  }
}

async function insertRecords(client: pg.Client, results: readonly ItemResult[]): Promise<void> {
  const rows = results.flatMap(({ tenantId, records }) => records.map((record) => ({ ...record, tenantId })));
  if (rows.length === 0) return;
  await client.query(
    `INSERT INTO migration_records (tenant_id, scope, name, hash, status, run_id, checkpoint, applied_at, duration_ms, error)
     SELECT tenant_id, 'TENANT', name, hash, status, run_id, checkpoint, now(), duration_ms, error
     FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::float8[], $8::text[])
       AS r (tenant_id, name, hash, status, run_id, checkpoint, duration_ms, error)`,
    [
      rows.map(({ tenantId }) => tenantId),
      rows.map(({ name }) => name),
      rows.map(({ hash }) => hash),
      rows.map(({ status }) => status),
      rows.map(({ run }) => run),
      rows.map(({ checkpoint }) => checkpoint),
      rows.map(({ durationMs }) => durationMs),
      rows.map(({ error }) => error),
    ],
  );
}
