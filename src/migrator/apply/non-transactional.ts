import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { AppError } from '../../lib/errors.ts';
import { elapsedSince } from '../../lib/time.ts';
import { lockKeyOf, lockKind } from '../../postgres/sql/advisory-lock.ts';
import { quoteLiteral } from '../../postgres/sql/quote.ts';
import { inTransaction } from '../../postgres/sql/transaction.ts';
import { searchPathOf } from '../files/common-schema.ts';
import { insertHistorySql, type NewRecord, revertHistorySql } from '../files/history.ts';
import type { Direction, MigrationFile } from '../files/migration-file.ts';
import { type Part, partsOf } from '../files/parts.ts';
import { applySteps } from './apply-steps.ts';
import {
  appliedAfter,
  type MigrateOptions,
  type MigrateOutcome,
  MigrationFailedError,
  merge,
  OTHER_MIGRATION_MS,
  type PlannedBatch,
  recordOf,
} from './batch.ts';
import { BuiltIndexes, dropInvalidIndexes } from './concurrent-indexes.ts';
import { executeStepAlone } from './execute.ts';
import { inMigrationSpan } from './migration-span.ts';
import { clearInProgressSql, isInterrupted, setInProgressSql } from './partial-mark.ts';
import { freshSessionSql, freshSessionWithLockSql, stepSettingsSql } from './session.ts';

/** How long each wait for another process that migrates the same database takes, in milliseconds. */
export const LOCK_POLL_MS = 200;

/**
 * Carries out a batch with a step that cannot run in a transaction. Adjacent transactional steps share a transaction
 * with their history rows. Each other step runs alone, and its history row is written after it. Completed steps stay
 * applied when a later one fails: the caller has a snapshot or reverts them.
 *
 * An attempt may be interrupted at any moment. An in-progress marker in the history records that, so the next attempt,
 * for whichever run, also finds there which steps are done. It repeats the first step without a row from the start.
 * INVALID indexes are dropped first, and an index that the attempt has completely built or dropped counts as done.
 * Everything else in such a step must be repeatable (IF EXISTS, IF NOT EXISTS).
 *
 * A session-level advisory lock excludes other processes, including those that migrate in one transaction.
 * @param client the owner's connection, in the transaction that holds the lock and in which the batch was planned
 * @throws see `migrateDatabase`
 */
export async function migrateInParts(
  client: pg.Client,
  { before, observedAt, steps, later, warnings, division }: PlannedBatch,
  options: MigrateOptions,
): Promise<MigrateOutcome> {
  const { schema } = options;
  return thenReset(client, async () => {
    // The session acquires the lock before the transaction releases its own, so no other process gets in between. The
    // COMMIT keeps the results of the setup SQL.
    await client.query(`SELECT pg_advisory_lock(${lockOf(schema)}); COMMIT`);
    const isRepeated = await isInterrupted(client, schema);
    const parts = partsOf(steps, division);
    if (steps[0]) await client.query(`${clearInProgressSql(schema)}; ${setInProgressSql(steps[0], options)}`);
    const records: NewRecord[] = [];
    for (const part of parts) {
      const applied = appliedAfter(before.length, records.length, options);
      const trailingSql = part === parts.at(-1) ? clearInProgressSql(schema) : '';
      records.push(...(await applyPart(client, part, applied, { ...options, isRepeated }, trailingSql)));
    }
    return { applied: merge(before, records), observedAt, records, warnings, hasMore: later > 0 };
  });
}

/** Runs `work` while this session holds the migration lock of a schema, and leaves the session as it was. */
export async function aloneInSession<T>(client: pg.Client, schema: string, work: () => Promise<T>): Promise<T> {
  await client.query(freshSessionSql);
  await takeLock(client, schema);
  return thenReset(client, work);
}

async function thenReset<T>(client: pg.Client, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    await client.query(`ROLLBACK; ${freshSessionSql}`).catch(() => undefined);
  }
}

function lockOf(schema: string): string {
  return `${lockKind.migrate}, ${lockKeyOf(quoteLiteral(schema))}`;
}

/**
 * Polls for the lock instead of waiting in a statement: CREATE INDEX CONCURRENTLY of the lock's holder would wait for
 * that statement.
 * @throws {AppError} TENANT_BUSY
 */
async function takeLock(client: pg.Client, schema: string): Promise<void> {
  for (let waitedMs = 0; waitedMs < OTHER_MIGRATION_MS; waitedMs += LOCK_POLL_MS) {
    const { rows } = await client.query<{ ours: boolean }>(`SELECT pg_try_advisory_lock(${lockOf(schema)}) AS ours`);
    if (rows[0]?.ours) return;
    await sleep(LOCK_POLL_MS);
  }
  throw anotherMigration();
}

/** The error when the lock is held for longer than a connection should wait. */
export function anotherMigration(): AppError {
  return new AppError('TENANT_BUSY', 'Another migration of this tenant is running and did not end in time');
}

/**
 * Carries out one step alone, and records it.
 * @param trailingSql SQL that is sent with the record, in one transaction
 */
export async function applyAlone(
  client: pg.Client,
  step: MigrationFile,
  direction: Direction,
  options: MigrateOptions,
  trailingSql = '',
): Promise<NewRecord> {
  const { schema, scope, isRepeated } = options;
  const start = performance.now();
  try {
    await prepareAlone(client, step, options);
    const built = isRepeated ? await BuiltIndexes.read(client, schema) : undefined;
    await inMigrationSpan(step, direction, () =>
      executeStepAlone(client, step, direction, built && ((...done) => built.isDone(...done))),
    );
    const record = recordOf(step, direction === 'down' ? 'REVERTED' : 'APPLIED', elapsedSince(start), options);
    const revert = direction === 'down' ? `${revertHistorySql(schema, step.name)};` : '';
    await client.query(
      `${freshSessionWithLockSql(lockOf(schema))} ${revert} ${insertHistorySql(schema, scope, [record])}; ${trailingSql}`,
    );
    return record;
  } catch (error) {
    throw new MigrationFailedError(step, elapsedSince(start), error, true);
  }
}

/**
 * How long a concurrent statement may wait for others, in milliseconds. Nobody queues behind it. It waits for all older
 * transactions of the database, those of other tenants included, and an index that it gives up is built anew.
 * @see https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
 */
const CONCURRENT_WAIT_MS = 3_600_000;

/** Sets what a step that runs alone starts with, whatever the previous step has set or left behind. */
export async function prepareAlone(
  client: pg.Client,
  step: MigrationFile,
  { schema, lockTimeoutMs }: MigrateOptions,
): Promise<void> {
  await client.query(
    `${freshSessionWithLockSql(lockOf(schema))} SET search_path = ${searchPathOf(schema)}; SET lock_timeout = ${CONCURRENT_WAIT_MS}`,
  );
  await dropInvalidIndexes(client, schema);
  const statements = [...(step.parsed.up ?? []), ...(step.parsed.down ?? [])];
  if (!statements.some(({ isConcurrent }) => isConcurrent)) await client.query(`SET lock_timeout = ${lockTimeoutMs}`);
}

/** @param applied the number of migrations applied before */
function applyPart(
  client: pg.Client,
  { steps }: Part,
  applied: number,
  options: MigrateOptions,
  trailingSql: string,
): Promise<NewRecord[]> {
  const [first] = steps;
  if (first && !first.transactional) {
    return applyAlone(client, first, options.down ? 'down' : 'up', options, trailingSql).then((record) => [record]);
  }
  const work = () => applySteps(client, steps, options, { inParts: true, applied });
  return inPartTransaction(client, options, work, trailingSql);
}

/**
 * Runs `work` in a transaction, for a session that holds the migration lock. What removes a step's traces from the session
 * also releases the session's locks, so the transaction holds the lock until the session has it again.
 * @param trailingSql the last statements of the transaction
 */
export function inPartTransaction<T>(
  client: pg.Client,
  options: MigrateOptions,
  work: () => Promise<T>,
  trailingSql = '',
): Promise<T> {
  const lock = lockOf(options.schema);
  return inTransaction(client, async () => {
    await client.query(`SELECT pg_advisory_xact_lock(${lock}); ${stepSettingsSql(options)}`);
    const result = await work();
    await client.query(`SELECT pg_advisory_lock(${lock}); ${trailingSql}`);
    return result;
  });
}
