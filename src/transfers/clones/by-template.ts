import type pg from 'pg';
import { FIRST_SERVER } from '../../catalog/entities/database-server.entity.ts';
import type { TenantStatus } from '../../catalog/entities/tenant.entity.ts';
import { canTake, tenantSteps } from '../../catalog/tenant-status.ts';
import { BusySessionsError } from '../../checkpoints/maintenance.ts';
import { elapsedSince } from '../../lib/time.ts';
import { cloneDatabase, dropDatabase, isInUse } from '../../postgres/admin/databases.ts';
import { logSequences } from '../../postgres/admin/log-sequences.ts';
import { allowConnections, disallowConnections } from '../../postgres/admin/replace-database.ts';
import { closeDatabaseSql } from '../../postgres/admin/roles.ts';
import { serverNamed } from '../../postgres/server.ts';
import { sqlState, sqlStateOf } from '../../postgres/sql/error-codes.ts';
import { type Placement, tenantRole } from '../../routing/placement.ts';
import { withPlacementLock } from '../../routing/placement-lock.ts';
import type { ActiveTransfer, CopiedDatabase } from '../active-transfer.ts';
import { TenantInMaintenanceError } from '../hold.ts';
import type { TransferSource } from '../source.ts';
import { lockClaim } from '../store.ts';

/** The largest database of a served tenant that is copied by template, in bytes: the tenant waits meanwhile. */
const MAX_BYTES = 1024 ** 3;
/** The largest one that is copied without a pause if nobody is connected to it, in bytes, and how long that may take, in ms. */
const QUIET_BYTES = 64 * 1024 ** 2;
const QUIET_MS = 2_000;

/** Whether a clone can be made by template: a whole database becomes a whole database on the same server. */
export function canCloneByTemplate({ transfer }: ActiveTransfer, source: TransferSource): boolean {
  const { to } = transfer;
  return source.isolation === 'DATABASE' && to.isolation === 'DATABASE' && source.server === to.server;
}

/** Stores what follows the copy, in the transaction that stores the copy. `pausedMs` is how long the source was paused. */
export type AfterCopy = (client: pg.Client, pausedMs: number) => Promise<void>;

/**
 * Makes what a copy by template needs besides the attempt's beginning, at the same time as that.
 * @returns the size of the source, in bytes
 */
export async function prepareTemplateClone(
  { options, transfer }: ActiveTransfer,
  source: TransferSource,
): Promise<number> {
  const { to } = transfer;
  const { server, provisioner } = await options.servers.find(to.server);
  await provisioner.setUp();
  await provisioner.renewRole(to);
  return server.admin((admin) => sizeOf(admin, source.database));
}

/**
 * Copies a whole database by template, with its migrations. A served tenant is paused for these milliseconds.
 * @param bytes the size of the source
 * @returns how long the source was paused, in milliseconds; undefined if it is too large or too busy for that
 */
export async function cloneByTemplate(
  active: ActiveTransfer,
  source: TransferSource,
  bytes: number,
  after: AfterCopy,
): Promise<number | undefined> {
  const copied = { database: source.database, bytes };
  if (source.checkpoint) return copyCheckpoint(active, source, copied, after);
  if (bytes > MAX_BYTES) return undefined;
  return (await copyQuiet(active, copied, after)) ?? copyPaused(active, copied, after);
}

async function copyCheckpoint(
  active: ActiveTransfer,
  source: TransferSource,
  copied: CopiedDatabase,
  after: AfterCopy,
): Promise<number> {
  const { options, transfer } = active;
  const { to, tenantId } = transfer;
  await withPlacementLock(serverNamed(options.servers, to.server), to.key, async (admin) => {
    try {
      await cloneDatabase(admin, to.database, source.database, { isClosed: true });
    } catch (error) {
      if (sqlStateOf(error) !== sqlState.objectInUse) throw error;
      // An interrupted copy of another kind has left it open.
      await disallowConnections(admin, source.database, tenantRole(to.key));
      await cloneDatabase(admin, to.database, source.database, { isClosed: true });
    }
    await allowConnections(admin, to.database, [tenantRole(to.key)]);
  });
  await serverNamed(options.servers, to.server).owner(to.database, logSequences);
  await active.commit(async (client) => {
    await client.query('UPDATE tenants SET migration_state = $2 WHERE id = $1', [tenantId, source.checkpoint?.state]);
    await active.copiedWhole(client, copied);
    await after(client, 0);
  });
  return 0;
}

async function copyPaused(
  active: ActiveTransfer,
  copied: CopiedDatabase,
  after: AfterCopy,
): Promise<number | undefined> {
  const { options, transfer } = active;
  const { tenantId, sourceId, sourceSlug, to, from } = transfer;
  if (sourceId === null || !from) throw new Error('A clone has a source');
  const start = performance.now();
  try {
    await options.checkpoints.maintenance.copy(
      sourceId,
      async (client) => {
        await lockClaim(client, transfer);
        await client.query(
          `UPDATE tenants SET migration_state = m.copy_state FROM tenant_maintenances m WHERE tenants.id = $1 AND m.tenant_id = $2`,
          [tenantId, sourceId],
        );
        await copyCommonState(client, from, to.database);
        await active.copiedWhole(client, copied);
        await after(client, elapsedSince(start));
      },
      { copy: to.database, isPause: true, openTo: [tenantRole(to.key)] },
    );
    return elapsedSince(start);
  } catch (error) {
    if (error instanceof BusySessionsError) return undefined;
    if (isBusy(error)) throw new TenantInMaintenanceError(sourceSlug ?? '');
    throw error;
  }
}

/** What the tenant's row says of what changes its database. */
interface SourceState {
  readonly status: TenantStatus;
  readonly migrationState: string | null;
  /** When a maintenance began or ended last. */
  readonly maintainedAt: string | null;
}

/**
 * Copies a small database that nobody is connected to. PostgreSQL lets new connections to it wait meanwhile, so the tenant needs
 * no maintenance. That nothing has changed its migrations meanwhile is proven afterwards.
 * @returns how long connections may have waited, in milliseconds; undefined if somebody is connected
 * @see https://www.postgresql.org/docs/current/manage-ag-templatedbs.html
 */
async function copyQuiet(
  active: ActiveTransfer,
  { database, bytes }: CopiedDatabase,
  after: AfterCopy,
): Promise<number | undefined> {
  const { options, transfer } = active;
  const { tenantId, sourceId, to, from } = transfer;
  if (sourceId === null || !from || bytes > QUIET_BYTES) return undefined;
  const { rows } = await options.catalog.use((client) =>
    client.query<SourceState>(
      `SELECT status, migration_state AS "migrationState", maintained_at::text AS "maintainedAt" FROM tenants WHERE id = $1`,
      [sourceId],
    ),
  );
  const [state] = rows;
  if (!state || !canTake(tenantSteps.maintain, state.status)) return undefined;
  const start = performance.now();
  const server = serverNamed(options.servers, to.server);
  const locked = <T>(work: (admin: pg.Client) => Promise<T>) => withPlacementLock(server, to.key, work);
  const isCopied = await locked(async (admin) => {
    if (!(await cloneIfQuiet(admin, to.database, database))) return false;
    // The catalog's server writes the next commit of the catalog to the disk after this one.
    const isWrittenLater = to.server === FIRST_SERVER;
    const sync = isWrittenLater ? `SELECT set_config('synchronous_commit', 'off', true);` : '';
    await admin.query(`${sync} ${closeDatabaseSql(to.database, [tenantRole(to.key)])}`);
    return true;
  });
  if (!isCopied) return undefined;
  const pausedMs = elapsedSince(start);
  await server.owner(to.database, logSequences);
  const isSame = await active.commit(async (client) => {
    const { rowCount } = await client.query(
      `UPDATE tenants t SET migration_state = s.migration_state FROM tenants s
       WHERE t.id = $1 AND s.id = $2 AND s.status = $3 AND s.migration_state IS NOT DISTINCT FROM $4
         AND s.maintained_at::text IS NOT DISTINCT FROM $5`,
      [tenantId, sourceId, state.status, state.migrationState, state.maintainedAt],
    );
    if (rowCount === 0) return false;
    await copyCommonState(client, from, to.database);
    await active.copiedWhole(client, { database, bytes });
    await after(client, pausedMs);
    return true;
  });
  if (isSame) return pausedMs;
  await locked((admin) => dropDatabase(admin, to.database));
  return undefined;
}

/** Copies a database unless somebody is connected to it. PostgreSQL would wait for them, and everybody else for PostgreSQL. */
async function cloneIfQuiet(admin: pg.Client, copy: string, database: string): Promise<boolean> {
  if (await isInUse(admin, database)) return false;
  try {
    await admin.query(`SET statement_timeout = ${QUIET_MS}`);
    return await cloneDatabase(admin, copy, database);
  } catch (error) {
    const state = sqlStateOf(error);
    if (state === sqlState.objectInUse || state === sqlState.queryCanceled) return false;
    throw error;
  } finally {
    await admin.query('RESET statement_timeout');
  }
}

/** The copy has what tenants of one database share, too. */
async function copyCommonState(client: pg.Client, from: Placement, copy: string): Promise<void> {
  await client.query(
    `INSERT INTO common_states (server, database, migration_state, seen_at)
     SELECT server, $3, migration_state, '-infinity' FROM common_states WHERE server = $1 AND database = $2
     ON CONFLICT (server, database) DO NOTHING`,
    [from.server, from.database, copy],
  );
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'TENANT_BUSY';
}

async function sizeOf(admin: pg.Client, database: string): Promise<number> {
  const { rows } = await admin.query<{ size: string }>('SELECT pg_database_size($1) AS size', [database]);
  return Number(rows[0]?.size);
}
