import type { Logger } from 'pino';
import type { Catalog } from '../../catalog/catalog.ts';
import { MigrationRun } from '../../catalog/entities/migration-run.entity.ts';
import { retryUntil } from '../../lib/retry-loop.ts';

/**
 * Reads a run and the files that it was planned with. Retries until it succeeds.
 * @returns undefined if the run is deleted, or the signal aborts first
 */
export async function readRun(
  catalog: Catalog,
  id: string,
  signal: AbortSignal,
  log: Logger,
): Promise<MigrationRun | undefined> {
  const run = await retryUntil(
    signal,
    () => catalog.fork().findOne(MigrationRun, { id }, { populate: ['files'] }),
    (err) => log.warn({ err, run: id }, 'could not read a migration run; retrying'),
  );
  return run ?? undefined;
}
