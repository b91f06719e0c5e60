import { Checkpoint } from '../catalog/entities/checkpoint.entity.ts';
import type { Isolation } from '../catalog/entities/tenant.entity.ts';
import { AppError } from '../lib/errors.ts';
import { isInUse } from '../postgres/admin/databases.ts';
import { allowConnections, disallowConnections } from '../postgres/admin/replace-database.ts';
import { serverNamed } from '../postgres/server.ts';
import type { Placement } from '../routing/placement.ts';
import type { ActiveTransfer } from './active-transfer.ts';

/** What a transfer copies. */
export interface TransferSource extends Placement {
  /** Of the tenant, at the time of the copy if it is a checkpoint. */
  readonly isolation: Isolation;
  /** Set for the copy of a checkpoint, to which nobody may connect. */
  readonly checkpoint: { readonly id: string; readonly name: string; readonly state: string | null } | undefined;
}

/**
 * Finds what a transfer copies: the tenant's place, or the checkpoint.
 * @throws {AppError} CONFLICT if the checkpoint has been deleted since
 */
export async function findSource({ options, transfer }: ActiveTransfer): Promise<TransferSource> {
  const { from, checkpointId } = transfer;
  if (checkpointId === null) {
    if (!from) throw new Error('The transfer has no source');
    return { ...from, checkpoint: undefined };
  }
  const found = await options.catalog
    .fork()
    .findOne(Checkpoint, { id: checkpointId, isDropping: false, buildingBy: null }, { populate: ['migrationState'] });
  if (!found) throw new AppError('CONFLICT', `The checkpoint ${checkpointId} has been deleted`);
  const { server, database, id, name, migrationState } = found;
  const checkpoint = { id, name, state: migrationState?.id ?? null };
  return { server, database, ...checkpointLayout(found), checkpoint };
}

/** In which schema of its database a checkpoint has the tables. */
export function checkpointLayout(_checkpoint: Checkpoint): { readonly isolation: Isolation; readonly schema: string } {
  return { isolation: 'DATABASE', schema: 'public' };
}

/**
 * Runs work while the owner may connect to the source. The copy of a checkpoint allows no connections otherwise, because they
 * would keep it from being copied by template.
 */
export async function withOpenSource<T>(
  { options }: ActiveTransfer,
  { server: name, database, checkpoint }: TransferSource,
  work: () => Promise<T>,
): Promise<T> {
  if (!checkpoint) return work();
  const server = serverNamed(options.servers, name);
  await server.admin((admin) => allowConnections(admin, database, []));
  try {
    return await work();
  } finally {
    // Another transfer may read it too. A later copy by template closes it in any case.
    await server
      .admin(async (admin) => {
        // The role of the new place may be one of another server.
        if (!(await isInUse(admin, database))) await disallowConnections(admin, database, undefined);
      })
      .catch((err: unknown) => options.log.warn({ err, database }, 'could not close the copy of a checkpoint'));
  }
}
