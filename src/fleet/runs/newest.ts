import type { Catalog } from '../../catalog/catalog.ts';
import { MigrationRun } from '../../catalog/entities/migration-run.entity.ts';

/** Finds the run that was created last. Returns undefined if there is none. */
export async function readNewestRun(catalog: Catalog): Promise<MigrationRun | undefined> {
  const [run] = await catalog.fork().find(MigrationRun, {}, { orderBy: { createdAt: 'desc', id: 'desc' }, limit: 1 });
  return run;
}
