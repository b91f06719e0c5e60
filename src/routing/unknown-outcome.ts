import type pg from 'pg';
import { AppError } from '../lib/errors.ts';
import { isConnectionFailure, isRefusedChange } from '../postgres/sql/error-codes.ts';
import { OperationScope } from './operation-scope.ts';

/** What a statement begins with that changes nothing by itself. Functions that a SELECT calls are taken to read only. */
const reads = /^\s*(SELECT|BEGIN|START|ROLLBACK|SAVEPOINT|RELEASE|SET|SHOW)\b/i;
const begins = /^\s*(BEGIN|START)\b/i;
const commits = /^\s*(COMMIT|END|PREPARE)\b/i;

/**
 * Watches a session for changes.
 * @returns a function that is called with the first argument of each `client.query`, before it is sent. It returns whether
 *   PostgreSQL may commit a change with it, also if its result is lost with the connection. A transaction is rolled back as long as
 *   PostgreSQL was not asked to commit it.
 */
export function watchChanges(client: pg.Client): (query: unknown) => boolean {
  let hasChanged = false;
  return (query) => {
    const text = textOf(query);
    if (begins.test(text)) hasChanged = false;
    if (reads.test(text)) return false;
    if (client.getTransactionStatus() === 'I') return true;
    if (commits.test(text)) return hasChanged;
    hasChanged = true;
    return false;
  };
}

function textOf(query: unknown): string {
  if (typeof query === 'string') return query;
  return query instanceof Object && 'text' in query ? String(query.text) : '';
}

/** The error of a request whose connection broke before PostgreSQL said whether its change is committed. */
export function outcomeUnknown(cause: unknown): AppError {
  return new AppError(
    'OUTCOME_UNKNOWN',
    'The connection to the database ended during this request, so its change may have been made or not. Look before you repeat it.',
    { cause },
  );
}

/** The codes of errors after which a request can be repeated because it has changed nothing. */
const repeatable: readonly string[] = ['SERVER_BUSY', 'TENANT_BUSY', 'TENANT_SUSPENDED', 'TENANT_NOT_FOUND'];

/** Replaces an error that would say that nothing was changed, if the current operation has changed something before. */
export function afterChange(error: unknown): unknown {
  const isRepeatable =
    error instanceof AppError ? repeatable.includes(error.code) : isConnectionFailure(error) || isRefusedChange(error);
  return isRepeatable && OperationScope.current?.hasChanged ? outcomeUnknown(error) : error;
}
