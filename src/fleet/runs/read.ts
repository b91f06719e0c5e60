import type { Logger } from 'pino';
import type { Catalog } from '../../catalog/catalog.ts';
import { MigrationRun } from '../../catalog/entities/migration-run.entity.ts';
import { retryUntil } from '../../lib/retry-loop.ts';

/**
 * Reads a run, with the files that it was planned with, as often as it takes.
 * @returns undefined if it is gone, or the signal comes before it could be read
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
    (err) => log.warn({ err, run: id }, 'a migration run cannot be read now; trying again'),
  );
  return run ?? undefined;
}
