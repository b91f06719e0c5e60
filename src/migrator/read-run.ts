import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Catalog } from '../catalog/catalog.ts';
import { MigrationRun } from '../catalog/migration-run.entity.ts';

/** How long to wait after a failure, in milliseconds. */
const TRY_AGAIN_MS = 500;

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
  while (!signal.aborted) {
    try {
      return (await catalog.fork().findOne(MigrationRun, { id }, { populate: ['files'] })) ?? undefined;
    } catch (err) {
      log.warn({ err, run: id }, 'a migration run cannot be read now; trying again');
      await sleep(TRY_AGAIN_MS, undefined, { signal }).catch(() => undefined);
    }
  }
  return undefined;
}
