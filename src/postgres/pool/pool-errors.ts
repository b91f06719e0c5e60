import { AppError } from '../../lib/errors.ts';

/** Creates the error for callers that cannot get a connection now. */
export function busy(message: string): AppError {
  return new AppError('SERVER_BUSY', `${message}. Try again in a moment.`, { details: { retryAfterMs: 1000 } });
}

/** Creates the error for callers whose pool was closed. */
export function closed(): AppError {
  return busy('The connection to the database has been closed');
}
