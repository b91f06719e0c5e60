import type { EntityManager } from '@mikro-orm/postgresql';
import { AppError, type Context } from '../../platform.ts';
import { File, RemovedFile } from './file.entity.ts';
import { fileKey } from './store/file-store.ts';
import { storeOf } from './store/store-of.ts';

/** How many files one call removes from the store. */
const BATCH = 20;
/** How long after its deadline an upload is given up, in milliseconds: the server has closed its connection by then. */
const GRACE_MS = 60_000;

/**
 * Deletes a file's row, and then its bytes. If the bytes can't be deleted now, a later call of {@link removeBytes} does it.
 * @returns whether there was a file
 * @throws {AppError} CONFLICT while it is uploaded, or what PostgreSQL says while documents refer to it
 */
export async function removeFile(context: Context, id: string): Promise<boolean> {
  const em = context.tenant.em.fork();
  const isRemoved = await em.transactional(async (transaction) => {
    const count = await transaction.nativeDelete(File, { id, status: { $ne: 'UPLOADING' } });
    if (count > 0) await transaction.insert(RemovedFile, { id });
    return count > 0;
  });
  if (!isRemoved && (await em.count(File, { id })) > 0) {
    throw new AppError('CONFLICT', `The file ${id} is being uploaded. Delete it when the upload has ended.`);
  }
  if (isRemoved) await removeBytes(context);
  return isRemoved;
}

/** Gives up uploads whose time is over, and deletes the bytes of files without rows from the store. */
export async function removeAbandoned(context: Context): Promise<void> {
  const em = context.tenant.em.fork();
  const deadline = new Date(Date.now() - GRACE_MS);
  const abandoned = { status: { $ne: 'STORED' }, uploadDeadline: { $lt: deadline } } as const;
  const files = await em.find(File, abandoned, { limit: BATCH });
  for (const { id } of files) {
    await em.transactional(async (transaction) => {
      // It may have been given up by another request.
      if ((await transaction.nativeDelete(File, { id, ...abandoned })) > 0)
        await transaction.insert(RemovedFile, { id });
    });
  }
  await removeBytes(context);
}

/** The row of a removed file goes last, so that nothing is forgotten. A failure is logged, since the next call tries again. */
async function removeBytes({ tenant, moduleServices, log }: Context): Promise<void> {
  const em = tenant.em.fork();
  try {
    for (const { id } of await em.find(RemovedFile, {}, { limit: BATCH, orderBy: { removedAt: 'asc' } })) {
      const store = await storeOf(moduleServices);
      await store.delete(fileKey(tenant.row.id, id));
      await forget(em, id);
    }
  } catch (err) {
    log.error({ err }, 'could not delete removed files from the store; the next upload or deletion tries again');
  }
}

async function forget(em: EntityManager, id: string): Promise<void> {
  await em.nativeDelete(RemovedFile, { id });
}
