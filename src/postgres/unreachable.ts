import { AppError } from '../lib/errors.ts';

/** The error of a caller whose server has no known address. */
export function unknownAddress(server: string): AppError {
  return new AppError(
    'SERVER_BUSY',
    `The address of the PostgreSQL server ${server} is currently unknown. The log says why.`,
    { details: { retryAfterMs: 1000 } },
  );
}

/** The error of a caller that has waited in vain for PostgreSQL to have room for another connection. */
export function noneLeft(server: string, cause: unknown): AppError {
  return new AppError('SERVER_BUSY', `The PostgreSQL server ${server} has no connection left. Try again in a moment.`, {
    cause,
    details: { retryAfterMs: 1000 },
  });
}
