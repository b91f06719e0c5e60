import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { AppError } from '../../lib/errors.ts';
import { elapsedSince } from '../../lib/time.ts';
import { isConnectionFailure, isTransient } from '../../postgres/sql/error-codes.ts';
import { underLock } from '../apply/apply.ts';
import { type MigrateOptions, MigrationFailedError, planBatch, recordOf } from '../apply/batch.ts';
import { inMigrationSpan } from '../apply/migration-span.ts';
import { type History, insertHistorySql, type NewRecord } from '../files/history.ts';
import { type BackfillFile, shortHash } from '../files/migration-file.ts';
import { changeRows } from './batch.ts';
import {
  addCursorColumn,
  beginBackfillSql,
  type Cursor,
  endBackfillSql,
  moveCursorSql,
  readUnfinished,
  type Unfinished,
} from './history.ts';
import { Pace } from './pace.ts';
import { countWaitingSql, MAX_LAG_BYTES, replicationLag } from './pressure.ts';
import { type BackfillProgress, ProgressReports } from './progress.ts';
import { countRows, nextKeys, readKeyedTable } from './table.ts';

/** How a backfill of a tenant that is in use is carried out. */
export interface BackfillOptions {
  /** How long a batch should take, in milliseconds. */
  readonly batchMs: number;
  /** Whether to stop after the current batch. */
  readonly shouldPause: () => boolean;
  /** Receives the progress every few seconds. */
  readonly report: (file: BackfillFile, progress: BackfillProgress) => void;
}

/** The backfill was paused between two batches. The next run continues it. */
export class BackfillPausedError extends Error {
  override readonly name = 'BackfillPausedError';
  readonly migration: string;

  constructor(migration: string) {
    super(`${migration} is paused`);
    this.migration = migration;
  }
}

/** How often a batch is tried again while others hold its locks. */
const MAX_RETRIES = 20;
/** How long to wait for replicas before each batch, and how often to look, in milliseconds. */
const LAG_WAIT_MS = 60_000;
const LAG_POLL_MS = 500;

/**
 * Carries out a backfill, from where it was interrupted. Each batch is one transaction that holds the tenant's migration lock,
 * finds the history as planned, changes the rows and moves the cursor. So each row is changed once, whoever else works on the
 * tenant and whenever a process dies.
 * @param client the owner's connection, outside a transaction
 * @param step the first step of the plan
 * @returns its record; undefined if another process has finished it, or changed the plan
 * @throws {BackfillPausedError}
 * @throws {MigrationFailedError} naming the rows; the batches before stay
 * @throws {AppError} MIGRATION_CHANGED if the file was changed after the first batch, and see `migrateDatabase`
 */
export async function runBackfill(
  client: pg.Client,
  step: BackfillFile,
  options: MigrateOptions,
  { batchMs, shouldPause, report }: BackfillOptions,
): Promise<NewRecord | undefined> {
  const start = performance.now();
  const pace = new Pace(batchMs);
  const reports = new ProgressReports((progress) => report(step, progress));
  let spentMs = 0;
  for (;;) {
    await waitForReplicas(client, shouldPause);
    if (shouldPause()) throw new BackfillPausedError(step.name);
    const batchStart = performance.now();
    try {
      const done = await inMigrationSpan(step, 'up', () =>
        underLock(client, options, (history) =>
          runBatch(client, step, options, history, { maxRows: pace.rows, spentMs }),
        ),
      );
      spentMs = elapsedSince(batchStart);
      if (done.kind === 'replan') return undefined;
      if (done.kind === 'end') return done.record;
      reports.add(done.cursor);
      await sleep(pace.succeeded(spentMs, done.waiting));
    } catch (error) {
      if (error instanceof AppError || isConnectionFailure(error)) throw error;
      if (!isTransient(error) || pace.failures >= MAX_RETRIES) {
        throw new MigrationFailedError(step, elapsedSince(start), error, false);
      }
      await sleep(pace.failed());
    }
  }
}

interface BatchLimits {
  readonly maxRows: number;
  /** How long the batch before took, in milliseconds. */
  readonly spentMs: number;
}

type BatchEnd =
  | { readonly kind: 'replan' }
  | { readonly kind: 'end'; readonly record: NewRecord }
  | { readonly kind: 'next'; readonly cursor: Cursor; readonly waiting: number };

/** Changes the next rows and ends the open transaction. */
async function runBatch(
  client: pg.Client,
  step: BackfillFile,
  options: MigrateOptions,
  history: History,
  { maxRows, spentMs }: BatchLimits,
): Promise<BatchEnd> {
  const start = performance.now();
  const { schema, scope } = options;
  const [first] = planBatch(history, options).steps;
  if (first?.name !== step.name || first.hash !== step.hash) {
    await client.query('ROLLBACK');
    return { kind: 'replan' };
  }
  const table = await readKeyedTable(client, schema, step.backfill);
  const unfinished = await readUnfinished(client, schema, step);
  if (unfinished && unfinished.hash !== step.hash) throw changedMeanwhile(step, unfinished);
  const keys = await nextKeys(client, table, unfinished?.cursor.key, maxRows);
  const before = unfinished?.cursor;
  const durationMs = (before?.durationMs ?? 0) + spentMs;
  if (!keys || keys.rows < maxRows) {
    const record = recordOf(step, 'APPLIED', durationMs + elapsedSince(start), options);
    const ending = [
      ...(unfinished ? [endBackfillSql(schema, unfinished)] : []),
      insertHistorySql(schema, scope, [record]),
      'COMMIT',
    ];
    if (keys) await changeRows(client, step, table, keys, options, ending);
    else await client.query(ending.join('; '));
    return { kind: 'end', record };
  }
  const cursor: Cursor = {
    key: keys.last,
    rowsDone: (before?.rowsDone ?? 0) + keys.rows,
    rowsTotal: before?.rowsTotal ?? (await countRows(client, table)),
    durationMs,
  };
  if (!unfinished) await addCursorColumn(client, schema);
  const move = unfinished
    ? moveCursorSql(schema, unfinished, step, cursor)
    : beginBackfillSql(schema, step, options, cursor);
  const [, waiting] = await changeRows(client, step, table, keys, options, [move, countWaitingSql, 'COMMIT']);
  return { kind: 'next', cursor, waiting: Number(waiting?.[0] ?? 0) };
}

function changedMeanwhile({ name, hash }: BackfillFile, { hash: before, cursor }: Unfinished): AppError {
  return new AppError(
    'MIGRATION_CHANGED',
    `${name} has been changed after it has backfilled ${cursor.rowsDone} rows: its hash was ${shortHash(before)} and is now ${shortHash(hash)}. Restore the file, or accept the change with \`tenantry migrate accept ${name}\` or the mutation acceptMigrationHash; the backfill then continues with the rows that are left.`,
    { details: { migration: name, recordedHash: before, fileHash: hash } },
  );
}

/** Waits while a replica is far behind, but not forever: it may have stopped for other reasons. */
async function waitForReplicas(client: pg.Client, shouldPause: () => boolean): Promise<void> {
  for (const start = performance.now(); elapsedSince(start) < LAG_WAIT_MS && !shouldPause(); ) {
    if ((await replicationLag(client)) <= MAX_LAG_BYTES) return;
    await sleep(LAG_POLL_MS);
  }
}
