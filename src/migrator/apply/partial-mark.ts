import type pg from 'pg';
import type { MigrationScope } from '../../catalog/entities/migration-record.entity.ts';
import { quoteIdentifier, quoteLiteral } from '../../postgres/sql/quote.ts';
import { historyTable, insertHistorySql } from '../files/history.ts';
import type { MigrationFile } from '../files/migration-files.ts';

/** Stands in the history of a database while a batch in parts is under way: whoever finds it later knows that it was cut short. */
const MARK = 'It was begun, and has not come to its end';

/** What a mark says of the batch. */
export interface InProgressBatch {
  readonly schema: string;
  readonly scope: MigrationScope;
  readonly run?: string;
  readonly checkpoint?: string;
}

/** SQL that marks a batch as begun, under the name of its first step. */
export function setInProgressSql(
  { name, hash }: MigrationFile,
  { schema, scope, run, checkpoint }: InProgressBatch,
): string {
  const attempt = { name, hash, run, checkpoint, status: 'ROLLED_BACK', durationMs: 0, error: MARK } as const;
  return insertHistorySql(schema, scope, [attempt]);
}

/** SQL that takes the mark away, for the batch has come to its end or is taken back. */
export function clearInProgressSql(schema: string): string {
  return `DELETE FROM ${quoteIdentifier(schema)}.${historyTable} WHERE status = 'ROLLED_BACK' AND error = ${quoteLiteral(MARK)}`;
}

/**
 * Tells whether a batch in parts was cut short; only under the lock of the database's migrations, for else it may go on.
 * @param run whose batch; without it whoever's
 */
export async function isInterrupted(client: pg.Client, schema: string, run?: string): Promise<boolean> {
  const { rowCount } = await client.query(
    `SELECT FROM ${quoteIdentifier(schema)}.${historyTable}
     WHERE status = 'ROLLED_BACK' AND error = $1 AND ($2::uuid IS NULL OR run = $2)`,
    [MARK, run ?? null],
  );
  return rowCount !== 0;
}
