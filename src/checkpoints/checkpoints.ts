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

/** What making, restoring and dropping checkpoints needs. */
export interface CheckpointsOptions {
  readonly catalog: Catalog;
  readonly servers: Pick<Servers, 'get'>;
  readonly maintenance: Maintenance;
  readonly limits: { readonly keep: number; readonly maxAgeDays: number };
  readonly log: Logger;
}

const MAX_NAME = 100;

/**
 * Copies a tenant's database, to which it can go back later. Its requests get TENANT_BUSY meanwhile.
 * @throws {AppError} BAD_USER_INPUT for a tenant that has no database of its own, TENANT_BUSY, CONFLICT
 */
export async function createCheckpoint(
  options: CheckpointsOptions,
  tenant: Tenant,
  name = defaultName(new Date()),
): Promise<Checkpoint> {
  if (tenant.isolation === 'SCHEMA') {
    throw badInput(
      'tenant',
      `The tenant ${tenant.slug} has a schema in a database that it shares, so there are no checkpoints of it: only a whole database can be copied and put back.`,
    );
  }
  if (name.trim() === '' || name.length > MAX_NAME || !isPlainLine(name)) {
    throw badInput('name', `A checkpoint's name has 1 to ${MAX_NAME} characters, all visible and on one line`);
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
 * Writes down that a copy of a tenant's database is a checkpoint, or else that it is to be dropped.
 * @returns its id
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
  if (!row) throw new Error('The maintenance is gone whose copy was to be a checkpoint');
  return row.id;
}

/** A tenant's checkpoints, or those of all, newest first. */
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
    `There is no checkpoint ${id}; checkpoints(tenant), or tenantry checkpoint list, tells which there are`,
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
 * Drops checkpoints that are too many or too old, whose tenant is gone, or that somebody could not drop earlier.
 * @param tenantId only this tenant's
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
 * Drops all of a tenant's checkpoints, for it is being deleted; it may be repeated.
 * @throws {Error} if one cannot be dropped now
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
      log.warn({ err, checkpoint: checkpoint.id }, 'a checkpoint cannot be dropped now; trying again later'),
    );
  }
}

/** The row goes last, so that no database is forgotten. */
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
