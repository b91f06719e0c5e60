import type pg from 'pg';
import type { Logger } from 'pino';
import type { Catalog } from '../catalog/catalog.ts';
import { deletedTenant } from '../catalog/deleted-tenant.ts';
import type { AppliedMigration } from '../catalog/entities/migration-state.entity.ts';
import type { Tenant, TenantStatus } from '../catalog/entities/tenant.entity.ts';
import type { InProgress } from '../catalog/in-progress.ts';
import { migrationStateRow, saveMigrationStateSql } from '../catalog/migration-states.ts';
import { findOpenWork, refuseOpenTransfer } from '../catalog/open-work.ts';
import { canTake, tenantSteps } from '../catalog/tenant-status.ts';
import { copyPlace } from '../copying/copy-place.ts';
import { placeOn, withRoomToCopy } from '../copying/place-on.ts';
import { AppError } from '../lib/errors.ts';
import { readAppliedSql } from '../migrator/files/history.ts';
import { dropDatabase } from '../postgres/admin/databases.ts';
import type { Listener } from '../postgres/listener.ts';
import { serverNamed } from '../postgres/server.ts';
import { lockKind, withAdvisoryLock } from '../postgres/sql/advisory-lock.ts';
import { sqlState, sqlStateOf } from '../postgres/sql/error-codes.ts';
import { quoteIdentifier } from '../postgres/sql/quote.ts';
import { inTransaction } from '../postgres/sql/transaction.ts';
import { newTenantKey } from '../routing/placement.ts';
import { tenantBusy } from '../routing/resolve-tenant.ts';
import type { ServerRegistry } from '../servers/registry.ts';

/** How long to wait for migrations of the tenant, in milliseconds. */
const MIGRATION_MS = 10_000;

/** What copying a tenant's schema into a checkpoint needs. */
export interface SchemaCopyOptions {
  readonly catalog: Catalog;
  readonly servers: Pick<ServerRegistry, 'get' | 'find'>;
  readonly listener: Pick<Listener, 'instance'>;
  /** The checkpoints that this process is building. */
  readonly building: InProgress;
  readonly log: Logger;
}

/** A checkpoint that is being built. */
interface Building {
  readonly id: string;
  readonly key: string;
  readonly database: string;
}

/**
 * Copies a tenant's schema into a database of its own, as it is at one moment. The tenant is served meanwhile, but not migrated.
 * The row exists before the database and names this process, so that others drop both if it dies.
 * @param abandon forgets the checkpoint, after a failure
 * @returns the checkpoint's id
 * @throws {AppError} TENANT_BUSY; CONFLICT if the tenant's status does not allow it, or its tables differ from what its migrations
 *   make; MIGRATION_UNKNOWN or MIGRATION_CHANGED if this process does not have its migrations
 */
export async function checkpointSchema(
  options: SchemaCopyOptions,
  tenant: Tenant,
  name: string,
  abandon: (id: string) => Promise<void>,
): Promise<string> {
  const { catalog, listener, building } = options;
  const checkpoint = await catalog.use((client) => insertBuilding(client, tenant, name, listener.instance));
  const { id } = checkpoint;
  using _building = building.begin(id);
  try {
    const { applied, size } = await build(options, tenant, checkpoint);
    const state = migrationStateRow(applied);
    await catalog.use((client) =>
      inTransaction(client, async () => {
        await client.query(saveMigrationStateSql, state);
        const { rowCount } = await client.query(
          `UPDATE checkpoints SET building_by = NULL, size_bytes = $2, migration_state = $3
           WHERE id = $1 AND building_by = $4 AND NOT is_dropping`,
          [id, size, state[0], listener.instance],
        );
        if (rowCount === 0)
          throw new AppError('CONFLICT', `The checkpoint ${name} was deleted while it was being made`);
      }),
    );
    return id;
  } catch (error) {
    await drop(options, tenant, checkpoint)
      .then(() => abandon(id))
      .catch((err: unknown) =>
        options.log.warn({ err, checkpoint: id }, 'could not drop an unfinished checkpoint; will try again later'),
      );
    throw error;
  }
}

/** Locks the tenant's row, as deleting the tenant and moving it do. */
function insertBuilding(client: pg.Client, tenant: Tenant, name: string, instance: number): Promise<Building> {
  return inTransaction(client, async () => {
    const { rows: found } = await client.query<{ status: TenantStatus; key: string }>(
      'SELECT status, key FROM tenants WHERE id = $1 FOR SHARE',
      [tenant.id],
    );
    const [row] = found;
    if (row?.status === 'MAINTENANCE' || (row && row.key !== tenant.key)) {
      refuseOpenTransfer(await findOpenWork(client, tenant.id, ['MOVE', 'RESTORE']), tenant.slug);
      throw tenantBusy(tenant.slug);
    }
    if (row?.status === 'DELETED') throw deletedTenant(tenant.slug);
    if (!row || !canTake(tenantSteps.maintain, row.status)) {
      throw new AppError('CONFLICT', `The tenant ${tenant.slug} is ${row?.status ?? 'gone'}, so it cannot be copied`);
    }
    const key = newTenantKey();
    const database = `snap_${key}`;
    const { rows } = await client.query<{ id: string }>(
      `INSERT INTO checkpoints (tenant_id, name, server, database, building_by) VALUES ($1, $2, $3, $4, $5) RETURNING id`,
      [tenant.id, name, tenant.server, database, instance],
    );
    return { id: rows[0]?.id ?? '', key, database };
  });
}

async function build(
  { servers }: SchemaCopyOptions,
  tenant: Tenant,
  { key, database }: Building,
): Promise<{ readonly applied: readonly AppliedMigration[]; readonly size: number }> {
  const { server, provisioner } = await servers.find(tenant.server);
  const target = { key, isolation: 'DATABASE', server: tenant.server, database, schema: 'public' } as const;
  const copy = (parallel: number) =>
    withoutMigrations(tenant, server.owner.bind(server), async (client) => {
      const { rows } = await client.query<AppliedMigration>(readAppliedSql(tenant.schema));
      await provisioner.makeLike(target, rows, { withRole: false });
      await copyPlace({
        from: placeOn(server, tenant),
        to: placeOn(server, target),
        parallel,
        // A process that stops closes the connections.
        signal: new AbortController().signal,
      });
      return rows.map(({ name, hash }) => ({ name, hash }));
    });
  const applied = await withRoomToCopy([server], copy);
  const size = await server.admin(async (admin) => {
    // They would keep the database from being copied by template.
    await admin.query(`ALTER DATABASE ${quoteIdentifier(database)} WITH ALLOW_CONNECTIONS false`);
    const { rows } = await admin.query<{ size: string }>('SELECT pg_database_size($1) AS size', [database]);
    return Number(rows[0]?.size);
  });
  return { applied, size };
}

/** Another process may have deleted the row before the database existed, so this does not depend on it. */
async function drop({ servers }: SchemaCopyOptions, { server }: Tenant, { database }: Building): Promise<void> {
  await serverNamed(servers, server).admin((admin) => dropDatabase(admin, database));
}

/** Runs `work` under the lock that keeps migrations out of a tenant. */
async function withoutMigrations<T>(
  { slug, database, schema }: Tenant,
  owner: <Result>(database: string, work: (client: pg.Client) => Promise<Result>) => Promise<Result>,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  let isLocked = false;
  try {
    return await owner(database, (client) =>
      withAdvisoryLock(
        client,
        lockKind.migrate,
        schema,
        () => {
          isLocked = true;
          return work(client);
        },
        { waitMs: MIGRATION_MS },
      ),
    );
  } catch (error) {
    if (!isLocked && sqlStateOf(error) === sqlState.lockNotAvailable) throw tenantBusy(slug);
    throw error;
  }
}
