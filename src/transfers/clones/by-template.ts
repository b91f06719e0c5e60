import type pg from 'pg';
import { BusySessionsError } from '../../checkpoints/maintenance.ts';
import { elapsedSince } from '../../lib/time.ts';
import { cloneDatabase } from '../../postgres/admin/databases.ts';
import { logSequences } from '../../postgres/admin/log-sequences.ts';
import { allowConnections, disallowConnections } from '../../postgres/admin/replace-database.ts';
import { serverNamed } from '../../postgres/server.ts';
import { sqlState, sqlStateOf } from '../../postgres/sql/error-codes.ts';
import { tenantRole } from '../../routing/placement.ts';
import { withPlacementLock } from '../../routing/placement-lock.ts';
import type { ActiveTransfer, CopiedDatabase } from '../active-transfer.ts';
import { TenantInMaintenanceError } from '../hold.ts';
import type { TransferSource } from '../source.ts';
import { lockClaim } from '../store.ts';

/** The largest database of a served tenant that is copied by template, in bytes: the tenant waits meanwhile. */
const MAX_BYTES = 1024 ** 3;

/** Whether a clone can be made by template: a whole database becomes a whole database on the same server. */
export function canCloneByTemplate({ transfer }: ActiveTransfer, source: TransferSource): boolean {
  const { to } = transfer;
  return source.isolation === 'DATABASE' && to.isolation === 'DATABASE' && source.server === to.server;
}

/**
 * Copies a whole database by template, with its migrations. A served tenant is paused for these milliseconds.
 * @returns how long the source was paused, in milliseconds; undefined if it is too large or too busy for that
 */
export async function cloneByTemplate(active: ActiveTransfer, source: TransferSource): Promise<number | undefined> {
  const { options, transfer } = active;
  const { to } = transfer;
  const { server, provisioner } = await options.servers.find(to.server);
  await provisioner.setUp();
  const bytes = await server.admin((admin) => sizeOf(admin, source.database));
  if (!source.checkpoint && bytes > MAX_BYTES) return undefined;
  await provisioner.renewRole(to);
  const copied = { database: source.database, bytes };
  const pausedMs = await (source.checkpoint ? copyCheckpoint(active, source, copied) : copyPaused(active, copied));
  if (pausedMs !== undefined) await server.owner(to.database, logSequences);
  return pausedMs;
}

async function copyCheckpoint(active: ActiveTransfer, source: TransferSource, copied: CopiedDatabase): Promise<number> {
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
  await active.commit(async (client) => {
    await client.query('UPDATE tenants SET migration_state = $2 WHERE id = $1', [tenantId, source.checkpoint?.state]);
    await active.copiedWhole(client, copied);
  });
  return 0;
}

async function copyPaused(active: ActiveTransfer, copied: CopiedDatabase): Promise<number | undefined> {
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
        await client.query(
          `INSERT INTO common_states (server, database, migration_state, seen_at)
           SELECT server, $3, migration_state, '-infinity' FROM common_states WHERE server = $1 AND database = $2
           ON CONFLICT (server, database) DO NOTHING`,
          [from.server, from.database, to.database],
        );
        await active.copiedWhole(client, copied);
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

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'TENANT_BUSY';
}

async function sizeOf(admin: pg.Client, database: string): Promise<number> {
  const { rows } = await admin.query<{ size: string }>('SELECT pg_database_size($1) AS size', [database]);
  return Number(rows[0]?.size);
}
