import { AppError } from '../lib/errors.ts';
import { isConnectionFailure, isRefusedChange } from '../postgres/sql/error-codes.ts';
import { OperationScope } from './operation-scope.ts';

/** The error of a request whose connection broke before PostgreSQL said whether its change is committed. */
export function outcomeUnknown(cause: unknown): AppError {
  return new AppError(
    'OUTCOME_UNKNOWN',
    'The connection to the database ended during this request, so its change may or may not have been made. Check before you repeat it.',
    { cause },
  );
}

/** The codes of errors after which a request can be repeated because it has changed nothing. */
const repeatable: readonly string[] = ['SERVER_BUSY', 'TENANT_BUSY', 'TENANT_SUSPENDED', 'TENANT_NOT_FOUND'];

/** Replaces an error that would say that nothing was changed, if the current operation has changed something before. */
export function afterChange(error: unknown): unknown {
  const isRepeatable =
    error instanceof AppError ? repeatable.includes(error.code) : isConnectionFailure(error) || isRefusedChange(error);
  if (!isRepeatable || !OperationScope.current?.hasChanged) return error;
  const message = 'This request failed after it had changed something. Check what it has changed before you repeat it.';
  return new AppError('OUTCOME_UNKNOWN', message, { cause: error });
}
