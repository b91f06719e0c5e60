import type { FilterQuery } from '@mikro-orm/core';
import type pg from 'pg';
import { Checkpoint } from '../catalog/entities/checkpoint.entity.ts';
import { FIRST_SERVER } from '../catalog/entities/database-server.entity.ts';
import type { Tenant } from '../catalog/entities/tenant.entity.ts';
import { AppError, badInput } from '../lib/errors.ts';
import { isPlainLine } from '../lib/input.ts';
import { isUuid } from '../lib/uuid.ts';
import { dropDatabase } from '../postgres/admin/databases.ts';
import { serverNamed } from '../postgres/server.ts';
import { isAliveSql } from '../postgres/sql/advisory-lock.ts';
import { checkpointSchema, type SchemaCopyOptions } from './copy-schema.ts';
import type { Maintenance } from './maintenance.ts';
import type { Maintained } from './maintenance-store.ts';

/** What creating, restoring and deleting checkpoints needs. */
export interface CheckpointsOptions extends SchemaCopyOptions {
  readonly maintenance: Maintenance;
  readonly limits: { readonly keep: number; readonly maxAgeDays: number };
}

const MAX_NAME = 100;

/**
 * Copies a tenant so that it can be restored later. While a database is copied, its tenant's requests get TENANT_BUSY; while a
 * schema is copied, they are served.
 * @throws {AppError} BAD_USER_INPUT, TENANT_BUSY, CONFLICT; for a schema also MIGRATION_UNKNOWN and MIGRATION_CHANGED
 */
export async function createCheckpoint(
  options: CheckpointsOptions,
  tenant: Tenant,
  name = defaultName(new Date()),
): Promise<Checkpoint> {
  if (name.trim() === '' || name.length > MAX_NAME || !isPlainLine(name)) {
    throw badInput('name', `A checkpoint's name must have 1 to ${MAX_NAME} characters, all visible and on one line`);
  }
  options.servers.get(FIRST_SERVER)?.requireAdmin();
  const id = await (tenant.isolation === 'SCHEMA'
    ? checkpointSchema(options, tenant, name, (unfinished) => abandon(options, unfinished))
    : checkpointDatabase(options, tenant, name));
  await pruneCheckpoints(options, tenant.id);
  return options.catalog.fork().findOneOrFail(Checkpoint, { id }, { populate: ['tenant', 'migrationState'] });
}

async function checkpointDatabase({ maintenance }: CheckpointsOptions, tenant: Tenant, name: string): Promise<string> {
  let id = '';
  await maintenance.copy(tenant.id, async (client, maintained, size) => {
    id = await insertCheckpoint(client, maintained, { name, size, keep: true });
  });
  return id;
}

/** Drops a checkpoint that this process has failed to build. */
async function abandon(options: CheckpointsOptions, id: string): Promise<void> {
  await options.catalog.use((client) =>
    client.query('UPDATE checkpoints SET is_dropping = true, building_by = NULL WHERE id = $1 AND building_by = $2', [
      id,
      options.listener.instance,
    ]),
  );
  await dropUnwanted(options, { id });
}

/**
 * Stores a copy of a tenant's database as a checkpoint, or as a copy to drop.
 * @returns the checkpoint's id
 */
export async function insertCheckpoint(
  client: pg.Client,
  { tenantId, server, copy }: Maintained,
  { name, size, keep }: { readonly name: string; readonly size: number; readonly keep: boolean },
): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    `INSERT INTO checkpoints (tenant_id, name, server, database, size_bytes, is_dropping, migration_state)
     SELECT $1, $2, $3, $4, $5, $6, copy_state FROM tenant_maintenances WHERE tenant_id = $1 RETURNING id`,
    [tenantId, name, server, copy, size, !keep],
  );
  const [row] = rows;
  if (!row) throw new Error('The maintenance that made the copy no longer exists');
  return row.id;
}

/** Lists the checkpoints of a tenant, or of all tenants, newest first. */
export function listCheckpoints({ catalog }: CheckpointsOptions, tenant?: Tenant): Promise<Checkpoint[]> {
  return catalog
    .fork()
    .find(
      Checkpoint,
      { tenant: tenant?.id ?? { $ne: null }, isDropping: false, buildingBy: null },
      { orderBy: { createdAt: 'desc', id: 'desc' }, populate: ['tenant', 'migrationState'] },
    );
}

/** @throws {AppError} NOT_FOUND */
export async function findCheckpoint({ catalog }: CheckpointsOptions, id: string): Promise<Checkpoint> {
  const found = isUuid(id)
    ? await catalog
        .fork()
        .findOne(
          Checkpoint,
          { id, isDropping: false, buildingBy: null },
          { populate: ['tenant', 'tenant.migrationState', 'migrationState'] },
        )
    : null;
  if (found?.tenant) return found;
  throw new AppError(
    'NOT_FOUND',
    `There is no checkpoint ${id}. List them with checkpoints(tenant) or tenantry checkpoint list.`,
  );
}

/** @throws {AppError} NOT_FOUND */
export async function deleteCheckpoint(options: CheckpointsOptions, id: string): Promise<void> {
  const checkpoint = await findCheckpoint(options, id);
  options.servers.get(FIRST_SERVER)?.requireAdmin();
  await options.catalog.use((client) =>
    client.query('UPDATE checkpoints SET is_dropping = true WHERE id = $1', [checkpoint.id]),
  );
  await dropUnwanted(options, { id: checkpoint.id });
}

/**
 * Drops checkpoints beyond the limits of number and age, those whose tenant is gone, those whose process has died while building
 * them, and those that could not be dropped earlier.
 * @param tenantId restricts it to this tenant
 */
export async function pruneCheckpoints(options: CheckpointsOptions, tenantId?: string): Promise<void> {
  const { catalog, limits, listener, building } = options;
  await catalog.use(async (client) => {
    await client.query(
      `UPDATE checkpoints SET is_dropping = true WHERE NOT is_dropping AND id IN (
         SELECT id FROM (
           SELECT id, tenant_id, created_at, row_number() OVER (PARTITION BY tenant_id ORDER BY created_at DESC, id DESC) AS n
           FROM checkpoints WHERE NOT is_dropping AND building_by IS NULL AND ($3::uuid IS NULL OR tenant_id = $3)) c
         WHERE n > $1 OR created_at < now() - make_interval(days => $2) OR tenant_id IS NULL)`,
      [limits.keep, limits.maxAgeDays, tenantId ?? null],
    );
    await client.query(
      `UPDATE checkpoints SET is_dropping = true
       WHERE building_by IS NOT NULL AND NOT is_dropping AND id <> ALL ($1::uuid[])
         AND (building_by = $2 OR NOT ${isAliveSql('building_by')})`,
      [building.ids(), listener.instance],
    );
  });
  await dropUnwanted(options, tenantId === undefined ? {} : { tenant: tenantId });
}

/**
 * Drops all checkpoints of a tenant that is being deleted. Idempotent.
 * @throws {Error} if a checkpoint cannot be dropped
 */
export async function dropCheckpointsOf(
  options: Pick<CheckpointsOptions, 'catalog' | 'servers'>,
  tenantId: string,
): Promise<void> {
  const { catalog } = options;
  await catalog.use((client) =>
    client.query('UPDATE checkpoints SET is_dropping = true WHERE tenant_id = $1', [tenantId]),
  );
  for (const checkpoint of await catalog.fork().find(Checkpoint, { tenant: tenantId })) await drop(options, checkpoint);
}

async function dropUnwanted(options: CheckpointsOptions, where: FilterQuery<Checkpoint>): Promise<void> {
  const { catalog, servers, log } = options;
  const unwanted = await catalog.fork().find(Checkpoint, { $and: [{ isDropping: true }, where] });
  for (const checkpoint of unwanted) {
    if (!servers.get(checkpoint.server)) continue;
    await drop(options, checkpoint).catch((err: unknown) =>
      log.warn({ err, checkpoint: checkpoint.id }, 'could not drop a checkpoint; will try again later'),
    );
  }
}

/**
 * Deletes the row last, so that no database is forgotten. A living process may still be creating the database, and drops it itself
 * when it finds out.
 */
async function drop(
  { catalog, servers }: Pick<CheckpointsOptions, 'catalog' | 'servers'>,
  { id, server, database }: Checkpoint,
): Promise<void> {
  await serverNamed(servers, server).admin((admin) => dropDatabase(admin, database));
  await catalog.use((client) =>
    client.query(
      `DELETE FROM checkpoints WHERE id = $1 AND is_dropping AND (building_by IS NULL OR NOT ${isAliveSql('building_by')})`,
      [id],
    ),
  );
}

function defaultName(now: Date): string {
  const digits = now.toISOString().replace(/\D/g, '');
  return `checkpoint_${digits.slice(0, 8)}_${digits.slice(8, 14)}`;
}
