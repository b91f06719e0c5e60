import type pg from 'pg';
import { deletedTenant } from '../catalog/deleted-tenant.ts';
import type { TenantStatus } from '../catalog/entities/tenant.entity.ts';
import { findOpenWork, refuseOpenTransfer } from '../catalog/open-work.ts';
import { canTake, takeStepSql, tenantSteps } from '../catalog/tenant-status.ts';
import { AppError } from '../lib/errors.ts';
import { inTransaction } from '../postgres/sql/transaction.ts';
import { newTenantKey } from '../routing/placement.ts';
import { tenantBusy } from '../routing/resolve-tenant.ts';

/** A tenant under maintenance. */
export interface Maintained {
  readonly tenantId: string;
  readonly slug: string;
  readonly key: string;
  readonly server: string;
  readonly database: string;
  readonly phase: 'COPYING' | 'COPIED' | 'DONE';
  /** The name of the copy. */
  readonly copy: string;
}

/** The columns of a {@link Maintained}, from `tenants t` and `tenant_maintenances`. */
export const maintainedColumns = 't.id AS "tenantId", slug, key, server, database, phase, copy';

/** The database that replaces a tenant's own. */
export interface RestoredDatabase {
  readonly database: string;
  /** The id of its migration state; null if unknown. */
  readonly state: string | null;
  readonly checkpoint: { readonly id: string; readonly name: string };
}

/** How a maintenance begins. */
export interface MaintenanceStart {
  /** Undefined for the tenant's own database. */
  readonly source: RestoredDatabase | undefined;
  /** The number of this process. */
  readonly instance: number;
  /** The name of the copy. */
  readonly copy?: string;
  /** Whether requests wait for it; see `CopyVariant`. By default they are refused. */
  readonly isPause?: boolean;
}

/** How long requests may wait for a maintenance that is over in a moment, in milliseconds. */
export const PAUSE_MS = 2_000;

/**
 * Stores that maintenance of a tenant's database begins.
 * @throws {AppError} TENANT_BUSY if the tenant is in maintenance already, CONFLICT if its status does not allow maintenance or a
 *   transfer works on it
 */
export function beginMaintenance(
  client: pg.Client,
  tenantId: string,
  { source, instance, copy = `snap_${newTenantKey()}`, isPause = false }: MaintenanceStart,
): Promise<Maintained> {
  return inTransaction(client, async () => {
    const { rows: found } = await client.query<{ slug: string; status: TenantStatus; own: string | null }>(
      'SELECT slug, status, migration_state AS own FROM tenants WHERE id = $1 FOR UPDATE',
      [tenantId],
    );
    const [row] = found;
    if (!row) throw new AppError('TENANT_NOT_FOUND', 'There is no such tenant');
    refuseOpenTransfer(await findOpenWork(client, tenantId, source ? undefined : ['MOVE', 'RESTORE']), row.slug);
    if (row.status === 'MAINTENANCE') throw tenantBusy(row.slug);
    if (row.status === 'DELETED') throw deletedTenant(row.slug);
    if (!canTake(tenantSteps.maintain, row.status)) {
      throw new AppError(
        'CONFLICT',
        `The tenant ${row.slug} is ${row.status}, so its database cannot be copied or replaced`,
      );
    }
    const pauseMs = isPause ? PAUSE_MS : 'NULL';
    const set = `maintained_at = now(), pause_ends_at = now() + make_interval(secs => ${pauseMs}::float8 / 1000)`;
    const { rows } = await client.query<Maintained>(
      `WITH m AS (
         INSERT INTO tenant_maintenances (tenant_id, copy, copy_state, status_before, claimed_by, checkpoint)
         VALUES ($1, $2, $3, $4, $5, $6) RETURNING *)
       ${takeStepSql(tenantSteps.maintain, { where: 't.id = m.tenant_id', set, from: 'm' })}
       RETURNING ${maintainedColumns}`,
      [
        tenantId,
        copy,
        source ? source.state : row.own,
        row.status,
        instance,
        source && JSON.stringify(source.checkpoint),
      ],
    );
    const [tenant] = rows;
    if (!tenant) throw new Error('The row of a maintenance was not returned');
    return tenant;
  });
}

/** Gives a tenant its status back, and deletes the row of its maintenance, if the process with this number performs it. */
export async function endMaintenance(client: pg.Client, tenantId: string, instance: number): Promise<void> {
  await client.query(
    `WITH m AS (DELETE FROM tenant_maintenances WHERE tenant_id = $1 AND claimed_by = $2 RETURNING *)
     ${takeStepSql(tenantSteps.endMaintenance, { where: 't.id = m.tenant_id', set: 'maintained_at = now(), pause_ends_at = NULL', from: 'm' })}`,
    [tenantId, instance],
  );
}

/**
 * Reads the current phase again.
 * @throws {AppError} TENANT_BUSY if another process has taken it over
 */
export async function rereadMaintenance(client: pg.Client, tenant: Maintained, instance: number): Promise<Maintained> {
  const { rows } = await client.query<Pick<Maintained, 'phase'>>(
    'SELECT phase FROM tenant_maintenances WHERE tenant_id = $1 AND claimed_by = $2',
    [tenant.tenantId, instance],
  );
  const [row] = rows;
  if (!row) throw tenantBusy(tenant.slug);
  return { ...tenant, phase: row.phase };
}

/** Whether a tenant is in maintenance. */
export async function isBegun(client: pg.Client, tenantId: string): Promise<boolean> {
  const { rowCount } = await client.query('SELECT FROM tenant_maintenances WHERE tenant_id = $1', [tenantId]);
  return rowCount !== 0;
}
