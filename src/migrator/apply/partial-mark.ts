import type pg from 'pg';
import type { MigrationScope } from '../../catalog/entities/migration-record.entity.ts';
import { quoteIdentifier, quoteLiteral } from '../../postgres/sql/quote.ts';
import { historyTable, insertHistorySql } from '../files/history.ts';
import type { MigrationFile } from '../files/migration-file.ts';

/**
 * The in-progress marker: an error text in the history while a batch in parts is running. It remains if the batch is
 * interrupted. Don't change the text: databases may hold it.
 */
const MARKER = 'It was begun, and has not come to its end';

/** What a marker records about the batch. */
export interface InProgressBatch {
  readonly schema: string;
  readonly scope: MigrationScope;
  readonly run?: string;
  readonly checkpoint?: string;
}

/** SQL that adds the in-progress marker, under the name of the batch's first step. */
export function setInProgressSql(
  { name, hash }: MigrationFile,
  { schema, scope, run, checkpoint }: InProgressBatch,
): string {
  const attempt = { name, hash, run, checkpoint, status: 'ROLLED_BACK', durationMs: 0, error: MARKER } as const;
  return insertHistorySql(schema, scope, [attempt]);
}

/** SQL that removes the in-progress marker, after the batch has completed or is reverted. */
export function clearInProgressSql(schema: string): string {
  return `DELETE FROM ${quoteIdentifier(schema)}.${historyTable} WHERE status = 'ROLLED_BACK' AND error = ${quoteLiteral(MARKER)}`;
}

/**
 * Whether a batch in parts was interrupted. Call it only under the database's migration lock; otherwise the batch may
 * still be running.
 * @param run the batch's run; if omitted, any run
 */
export async function isInterrupted(client: pg.Client, schema: string, run?: string): Promise<boolean> {
  const { rowCount } = await client.query(
    `SELECT FROM ${quoteIdentifier(schema)}.${historyTable}
     WHERE status = 'ROLLED_BACK' AND error = $1 AND ($2::uuid IS NULL OR run = $2)`,
    [MARKER, run ?? null],
  );
  return rowCount !== 0;
}
