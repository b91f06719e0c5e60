import type { FilterQuery } from '@mikro-orm/core';
import type pg from 'pg';
import type { Logger } from 'pino';
import type { Catalog } from '../catalog/catalog.ts';
import { Checkpoint } from '../catalog/entities/checkpoint.entity.ts';
import { FIRST_SERVER } from '../catalog/entities/database-server.entity.ts';
import type { Tenant } from '../catalog/entities/tenant.entity.ts';
import { AppError, badInput } from '../lib/errors.ts';
import { isPlainLine } from '../lib/input.ts';
import { isUuid } from '../lib/uuid.ts';
import { dropDatabase } from '../postgres/admin/databases.ts';
import { type Servers, serverNamed } from '../postgres/server.ts';
import type { Maintenance } from './maintenance.ts';
import type { Maintained } from './maintenance-store.ts';

/** What creating, restoring and deleting checkpoints needs. */
export interface CheckpointsOptions {
  readonly catalog: Catalog;
  readonly servers: Pick<Servers, 'get'>;
  readonly maintenance: Maintenance;
  readonly limits: { readonly keep: number; readonly maxAgeDays: number };
  readonly log: Logger;
}

const MAX_NAME = 100;

/**
 * Copies a tenant's database so that it can be restored later. The tenant's requests get TENANT_BUSY meanwhile.
 * @throws {AppError} BAD_USER_INPUT for a tenant without a database of its own, TENANT_BUSY, CONFLICT
 */
export async function createCheckpoint(
  options: CheckpointsOptions,
  tenant: Tenant,
  name = defaultName(new Date()),
): Promise<Checkpoint> {
  if (tenant.isolation === 'SCHEMA') {
    throw badInput(
      'tenant',
      `The tenant ${tenant.slug} has a schema in the shared database. Checkpoints need a whole database, so they work only for tenants with a database of their own.`,
    );
  }
  if (name.trim() === '' || name.length > MAX_NAME || !isPlainLine(name)) {
    throw badInput('name', `A checkpoint's name must have 1 to ${MAX_NAME} characters, all visible and on one line`);
  }
  const { catalog, maintenance } = options;
  let id = '';
  await maintenance.run(tenant.id, undefined, async (maintained, size) => async (client) => {
    id = await insertCheckpoint(client, maintained, { name, size, keep: true });
  });
  await pruneCheckpoints(options, tenant.id);
  return catalog.fork().findOneOrFail(Checkpoint, { id }, { populate: ['tenant', 'migrationState'] });
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
      { tenant: tenant?.id ?? { $ne: null }, isDropping: false },
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
          { id, isDropping: false },
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
 * Drops checkpoints beyond the limits of number and age, those whose tenant is gone, and those that could not be dropped earlier.
 * @param tenantId restricts it to this tenant
 */
export async function pruneCheckpoints(options: CheckpointsOptions, tenantId?: string): Promise<void> {
  const { catalog, limits } = options;
  await catalog.use((client) =>
    client.query(
      `UPDATE checkpoints SET is_dropping = true WHERE NOT is_dropping AND id IN (
         SELECT id FROM (
           SELECT id, tenant_id, created_at, row_number() OVER (PARTITION BY tenant_id ORDER BY created_at DESC, id DESC) AS n
           FROM checkpoints WHERE NOT is_dropping AND ($3::uuid IS NULL OR tenant_id = $3)) c
         WHERE n > $1 OR created_at < now() - make_interval(days => $2) OR tenant_id IS NULL)`,
      [limits.keep, limits.maxAgeDays, tenantId ?? null],
    ),
  );
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

/** Deletes the row last, so that no database is forgotten. */
async function drop(
  { catalog, servers }: Pick<CheckpointsOptions, 'catalog' | 'servers'>,
  { id, server, database }: Checkpoint,
): Promise<void> {
  await serverNamed(servers, server).admin((admin) => dropDatabase(admin, database));
  await catalog.use((client) => client.query('DELETE FROM checkpoints WHERE id = $1 AND is_dropping', [id]));
}

function defaultName(now: Date): string {
  const digits = now.toISOString().replace(/\D/g, '');
  return `checkpoint_${digits.slice(0, 8)}_${digits.slice(8, 14)}`;
}
