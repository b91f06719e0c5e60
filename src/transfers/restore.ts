import { FIRST_SERVER } from '../catalog/entities/database-server.entity.ts';
import { Tenant } from '../catalog/entities/tenant.entity.ts';
import { type AcceptedRestore, acceptRestore, replacesDatabase, restoreDatabase } from '../checkpoints/restore.ts';
import { AppError } from '../lib/errors.ts';
import { newPlacement, newTenantKey } from '../routing/placement.ts';
import { insertTransfer } from './insert.ts';
import type { TransferOptions } from './options.ts';
import { runTransferHere } from './run-here.ts';
import type { Requester } from './start-move.ts';

/**
 * Restores a tenant to a checkpoint, which is kept and can be restored again. Everything that was written since is lost, so the
 * caller must accept that. A tenant with a schema, or one that is on another server than the checkpoint, is brought back at a new
 * place by a transfer, which other processes complete if this one dies.
 * @throws {AppError} NOT_FOUND; TENANT_BUSY; CONFLICT with what would be lost, or if the tenant's status does not allow it, another
 *   transfer or an unfinished run contains the tenant, or the transfer has failed or was cancelled
 */
export async function restoreCheckpoint(
  options: TransferOptions,
  id: string,
  acceptDataLoss: boolean,
  by: Requester,
): Promise<Tenant> {
  options.servers.get(FIRST_SERVER)?.requireAdmin();
  const restore = await acceptRestore(options.checkpoints, id, acceptDataLoss);
  await (replacesDatabase(restore) ? restoreDatabase(options.checkpoints, restore) : transfer(options, restore, by));
  return options.catalog.fork().findOneOrFail(Tenant, { id: restore.tenant.id });
}

async function transfer(
  options: TransferOptions,
  { tenant, checkpoint }: AcceptedRestore,
  by: Requester,
): Promise<void> {
  const { isolation, server, slug } = tenant;
  const key = newTenantKey();
  const to = { key, isolation, ...newPlacement(key, isolation, server, options.sharedDatabase) };
  // What the tenant has written since is given up, so its old place is not kept.
  const restored = { kind: 'RESTORE', tenant, to, online: false, keepHours: 0, checkpointId: checkpoint.id } as const;
  const id = await insertTransfer(options, { ...restored, ...by });
  const { status, error } = await runTransferHere(options, id);
  if (status === 'SUCCEEDED') return;
  throw new AppError(
    'CONFLICT',
    `The tenant ${slug} was not restored to ${checkpoint.name} and is unchanged: the transfer ${id} is ${status}${error ? `, because ${error}` : ''}`,
    { details: { transfer: id } },
  );
}
