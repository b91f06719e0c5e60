import { AppError } from '../../lib/errors.ts';

/** What callers get who cannot have a connection now. */
export function busy(message: string): AppError {
  return new AppError('SERVER_BUSY', `${message}. Try again in a moment.`, { details: { retryAfterMs: 1000 } });
}

/** What callers get whose lane or budget has ended. */
export function closed(): AppError {
  return busy('The connection to the database has been closed');
}
