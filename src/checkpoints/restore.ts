import { Tenant } from '../catalog/entities/tenant.entity.ts';
import { AppError } from '../lib/errors.ts';
import { type CheckpointsOptions, findCheckpoint } from './checkpoints.ts';

/**
 * Replaces a tenant's database with a copy of its checkpoint. The checkpoint is kept and can be restored again. Everything that
 * was written since the checkpoint is lost, so the caller must accept that.
 * @throws {AppError} NOT_FOUND, TENANT_BUSY, or CONFLICT with what would be lost
 */
export async function restoreCheckpoint(
  options: CheckpointsOptions,
  id: string,
  acceptDataLoss: boolean,
): Promise<Tenant> {
  const { catalog, maintenance, log } = options;
  const checkpoint = await findCheckpoint(options, id);
  const { name, database, createdAt, migrationState } = checkpoint;
  const tenant = await checkpoint.tenant?.loadOrFail({ populate: ['migrationState'] });
  if (!tenant) throw new AppError('NOT_FOUND', `The tenant of the checkpoint ${name} is gone`);
  const kept = new Set((migrationState?.getEntity().applied ?? []).map((migration) => migration.name));
  const has = tenant.migrationState?.getEntity().applied ?? [];
  const migrations = has.map((migration) => migration.name).filter((migration) => !kept.has(migration));
  if (!acceptDataLoss) {
    const since = createdAt.toISOString();
    const minutes = Math.floor((Date.now() - createdAt.getTime()) / 60_000);
    const lost = migrations.length > 0 ? `, and these migrations: ${migrations.join(', ')}` : '';
    throw new AppError(
      'CONFLICT',
      `Restoring ${name} would lose everything that ${tenant.slug} has written since ${since} (${minutes} minutes ago)${lost}. To accept that, set acceptDataLoss: true or use --accept-data-loss.`,
      { details: { since, migrations } },
    );
  }
  log.warn({ tenant: tenant.id, checkpoint: id, migrations }, 'restoring a checkpoint');
  const source = { database, state: migrationState?.id ?? null, checkpoint: { id, name } };
  await maintenance.run(tenant.id, source, async () => 'replace');
  return catalog.fork().findOneOrFail(Tenant, { id: tenant.id });
}
