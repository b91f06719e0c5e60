import type pg from 'pg';
import { elapsedSince } from '../../lib/time.ts';
import { type MigrateOptions, MigrationFailedError, recordOf } from '../apply/batch.ts';
import type { NewRecord } from '../files/history.ts';
import type { BackfillFile } from '../files/migration-file.ts';
import { changeRows } from './batch.ts';
import { readUnfinished } from './history.ts';
import { nextKeys, readKeyedTable } from './table.ts';

/** The number of rows that a dry run changes, before it is rolled back. */
const TRIED_ROWS = 100;

/**
 * Tries the next batch of a backfill in the open transaction of a dry run.
 * @throws {MigrationFailedError} naming the rows
 */
export async function tryBatch(client: pg.Client, step: BackfillFile, options: MigrateOptions): Promise<NewRecord> {
  const start = performance.now();
  const { schema } = options;
  try {
    const table = await readKeyedTable(client, schema, step.backfill);
    const unfinished = await readUnfinished(client, schema, step);
    const keys = await nextKeys(client, table, unfinished?.cursor.key, TRIED_ROWS);
    if (keys) await changeRows(client, step, table, keys, options);
    return recordOf(step, 'APPLIED', elapsedSince(start), options);
  } catch (error) {
    throw new MigrationFailedError(step, elapsedSince(start), error, false);
  }
}
