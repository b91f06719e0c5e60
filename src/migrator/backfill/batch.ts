import type pg from 'pg';
import { messageOf } from '../../lib/errors.ts';
import { isConnectionFailure, isTransient } from '../../postgres/sql/error-codes.ts';
import { loadStatementParser } from '../../postgres/sql/statements.ts';
import { type Row, sendStatements } from '../apply/send-statements.ts';
import { endOfStep } from '../apply/session.ts';
import type { BackfillFile } from '../files/migration-file.ts';
import { obstacleOf } from '../files/obstacles.ts';
import { readStatements } from '../files/source-statements.ts';
import { describeKeys, type KeyedTable, type KeyRange, keyCondition } from './table.ts';

interface BatchOptions {
  readonly schema: string;
  readonly lockTimeoutMs: number;
}

/**
 * Changes the rows of one batch in the open transaction.
 * @param trailing statements of ours that follow in the same message
 * @returns the last row of each trailing statement
 * @throws {Error} naming the rows, unless the batch may succeed when it is tried again
 */
export async function changeRows(
  client: pg.Client,
  step: BackfillFile,
  table: KeyedTable,
  keys: KeyRange,
  options: BatchOptions,
  trailing: readonly string[] = [],
): Promise<readonly (Row | undefined)[]> {
  const text = step.backfill.batch(keyCondition(table, keys));
  const statements = readStatements([text], await loadStatementParser());
  const obstacle = statements.length === 1 ? obstacleOf(step, statements) : 'must have one statement';
  if (obstacle !== undefined) throw new Error(`it ${obstacle}`);
  const { check } = endOfStep(step, 'up', options, 'OTHER');
  try {
    const rows = await sendStatements(client, statements, { trailing: [...check, ...trailing] });
    return rows.slice(check.length);
  } catch (error) {
    if (isTransient(error) || isConnectionFailure(error)) throw error;
    throw new Error(`${messageOf(error)}. This concerns ${describeKeys(table, keys)}`, { cause: error });
  }
}
