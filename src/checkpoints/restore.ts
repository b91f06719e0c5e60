import type { Checkpoint } from '../catalog/entities/checkpoint.entity.ts';
import type { Tenant } from '../catalog/entities/tenant.entity.ts';
import { AppError } from '../lib/errors.ts';
import { durationText } from '../lib/quantities.ts';
import { type CheckpointsOptions, findCheckpoint } from './checkpoints.ts';

/** A checkpoint that is to be restored, and its tenant. */
export interface AcceptedRestore {
  readonly tenant: Tenant;
  readonly checkpoint: Checkpoint;
}

/**
 * Finds a checkpoint and checks that its tenant may lose what was written since.
 * @throws {AppError} NOT_FOUND, or CONFLICT with what would be lost
 */
export async function acceptRestore(
  options: CheckpointsOptions,
  id: string,
  acceptDataLoss: boolean,
): Promise<AcceptedRestore> {
  const checkpoint = await findCheckpoint(options, id);
  const { name, createdAt, migrationState } = checkpoint;
  const tenant = await checkpoint.tenant?.loadOrFail({ populate: ['migrationState'] });
  if (!tenant) throw new AppError('NOT_FOUND', `The tenant of the checkpoint ${name} is gone`);
  const kept = new Set((migrationState?.getEntity().applied ?? []).map((migration) => migration.name));
  const has = tenant.migrationState?.getEntity().applied ?? [];
  const migrations = has.map((migration) => migration.name).filter((migration) => !kept.has(migration));
  if (!acceptDataLoss) {
    const since = createdAt.toISOString();
    const age = durationText(Date.now() - createdAt.getTime());
    const lost = migrations.length > 0 ? `, and these migrations: ${migrations.join(', ')}` : '';
    throw new AppError(
      'CONFLICT',
      `Restoring ${name} would lose everything that ${tenant.slug} has written since ${since} (${age} ago)${lost}. To accept that, repeat the command with \`--accept-data-loss\` or the mutation with acceptDataLoss: true.`,
      { details: { since, migrations } },
    );
  }
  options.log.warn({ tenant: tenant.id, checkpoint: id, migrations }, 'restoring a checkpoint');
  return { tenant, checkpoint };
}

/** Whether a copy of the checkpoint's database can take the place of the tenant's own, by renaming. */
export function replacesDatabase({ tenant, checkpoint }: AcceptedRestore): boolean {
  return tenant.isolation === 'DATABASE' && tenant.server === checkpoint.server;
}

/**
 * Replaces a tenant's database with a copy of its checkpoint, where {@link replacesDatabase}. The checkpoint is kept and can be
 * restored again.
 * @throws {AppError} TENANT_BUSY, CONFLICT
 */
export async function restoreDatabase(
  { maintenance }: CheckpointsOptions,
  { tenant, checkpoint: { id, name, database, migrationState } }: AcceptedRestore,
): Promise<void> {
  const source = { database, state: migrationState?.id ?? null, checkpoint: { id, name } };
  await maintenance.run(tenant.id, source, async () => 'replace');
}
