import { AppError, type RouteRequest } from '../../../platform.ts';

/**
 * Returns a handler of what a store throws: it logs the failure, and throws the error that the client gets.
 * @throws {AppError} SERVER_BUSY, or the error that the client itself has caused
 */
export function reportFailure({ log, gone }: RouteRequest): (error: unknown) => never {
  return (cause) => {
    if (cause instanceof AppError || gone.aborted) throw cause;
    log.error({ err: cause }, 'the store of files failed');
    throw new AppError('SERVER_BUSY', 'The store of files failed. Try again in a moment.', {
      cause,
      details: { retryAfterMs: 2_000 },
    });
  };
}
