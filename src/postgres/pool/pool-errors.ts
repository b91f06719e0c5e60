import { AppError } from '../../lib/errors.ts';

/** Creates the error for callers that cannot get a connection now. */
export function busy(message: string): AppError {
  return new AppError('SERVER_BUSY', `${message}. Try again in a moment.`, { details: { retryAfterMs: 1000 } });
}

/** Creates the error for callers whose pool was closed. */
export function closed(): AppError {
  return busy('The connection to the database has been closed');
}

/** Creates the error for callers while the address of a server is unknown. */
export function unknownAddress(server: string): AppError {
  return new AppError(
    'SERVER_BUSY',
    `The address of the PostgreSQL server ${server} is currently unknown. The log says why.`,
    { details: { retryAfterMs: 1000 } },
  );
}

/** Creates the error for callers to whom a server has given no connection in time. */
export function noneLeft(server: string, cause: unknown): AppError {
  return new AppError('SERVER_BUSY', `The PostgreSQL server ${server} has no connection left. Try again in a moment.`, {
    cause,
    details: { retryAfterMs: 1000 },
  });
}
