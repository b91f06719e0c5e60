import type pg from 'pg';
import { writeAudit } from '../auth/audit-log.ts';
import { purgeAction } from '../auth/removed-tenants.ts';
import { forgetCommonState } from '../catalog/common-states.ts';
import type { Inventory, Removal, Tenant } from '../catalog/entities/tenant.entity.ts';
import { statusSql } from '../catalog/steps.ts';
import { takeStepSql, tenantSteps } from '../catalog/tenant-status.ts';
import { dropCheckpointsOf } from '../checkpoints/checkpoints.ts';
import { inTransaction } from '../postgres/sql/transaction.ts';
import { tenantRole } from '../routing/placement.ts';
import { takeInventory } from './inventory.ts';
import { dropOldPlacesOf } from './old-places.ts';
import type { ProvisioningOptions } from './options.ts';

/**
 * Removes a tenant that never became active or is being deleted, with its checkpoints and what modules keep of it. Its slug
 * and host become available when its database or schema is dropped. An entry in the audit log says what was removed, unless
 * its creation failed. Does nothing if another process has taken over the tenant. Idempotent.
 */
export async function discard(options: ProvisioningOptions, tenant: Tenant): Promise<void> {
  const { catalog, servers } = options;
  if (!(await catalog.use((client) => beginRemoval(client, options, tenant)))) return;
  await listOnce(options, tenant);
  const { provisioner } = await servers.find(tenant.server);
  await provisioner.remove(tenant);
  await dropOldPlacesOf(options, tenant.id);
  await dropCheckpointsOf(options, tenant.id);
  // Before the row is deleted, so that it is tried again after a failure or a crash.
  for (const files of await options.files()) await files.removeAll(tenant.id);
  await catalog.use((client) =>
    inTransaction(client, async () => {
      await deleteRow(client, tenant);
      if (tenant.isolation === 'DATABASE') await forgetCommonState(client, tenant.server, tenant.database);
    }),
  );
}

/**
 * Makes sure that nobody can activate the tenant from now on. Returns false if it is active or belongs to another process. If
 * the row is gone, another process has removed the tenant, but this one may have created its database again since.
 */
async function beginRemoval(client: pg.Client, { listener }: ProvisioningOptions, { id }: Tenant): Promise<boolean> {
  const { rowCount } = await client.query(
    `WITH marked AS (
       ${takeStepSql(tenantSteps.discard, { where: 't.id = $1 AND t.claimed_by = $2' })} RETURNING id)
     SELECT FROM marked UNION ALL SELECT WHERE NOT EXISTS (SELECT FROM tenants WHERE id = $1)`,
    [id, listener.instance],
  );
  return rowCount === 1;
}

/** Stores a list of everything before anything is dropped. A process that takes over uses it, and must not make another one. */
async function listOnce(options: ProvisioningOptions, tenant: Tenant): Promise<void> {
  if (tenant.removal == null || tenant.removal.inventory) return;
  const inventory = await takeInventory(options, tenant);
  await options.catalog.use((client) =>
    client.query(
      `UPDATE tenants SET removal = removal || jsonb_build_object('inventory', $2::jsonb)
       WHERE id = $1 AND removal IS NOT NULL AND NOT removal ? 'inventory'`,
      [tenant.id, JSON.stringify(inventory)],
    ),
  );
}

/** Keeps the history of migrations under the tenant's slug; a trigger does that for the items of runs. The proof is written in the same transaction. */
async function deleteRow(client: pg.Client, tenant: Tenant): Promise<void> {
  const { id, slug } = tenant;
  await client.query('UPDATE migration_records SET deleted_tenant = $2 WHERE tenant_id = $1', [id, slug]);
  const { rows } = await client.query<DeletedRow>(
    `DELETE FROM tenants WHERE id = $1 AND ${statusSql(tenantSteps.remove.from)}
     RETURNING removal::text, deleted_by AS "deletedBy", ${isoSql('deleted_at')} AS "deletedAt", ${isoSql('now()')} AS "doneAt"`,
    [id],
  );
  const [row] = rows;
  if (!row?.removal) return;
  // The process has written it.
  const removal: Removal = JSON.parse(row.removal);
  await writeAudit({ use: (work) => work(client) }, proofOf(tenant, removal, row));
}

interface DeletedRow {
  readonly removal: string | null;
  readonly deletedBy: string | null;
  readonly deletedAt: string | null;
  readonly doneAt: string;
}

function proofOf(tenant: Tenant, { by, userId, begunAt, inventory }: Removal, row: DeletedRow) {
  const { slug, name, host, isolation, server, database, schema, key } = tenant;
  const none: Partial<Inventory> = {};
  const { checkpointNames = [], members, ...counts } = inventory ?? none;
  const dropped = {
    server,
    ...(isolation === 'DATABASE' ? { database } : { database, schema }),
    role: tenantRole(key),
    ...counts,
    checkpointNames,
  };
  const { deletedAt, deletedBy, doneAt } = row;
  return {
    actor: by,
    userId: userId ?? undefined,
    action: purgeAction,
    tenantId: tenant.id,
    outcome: 'OK',
    address: undefined,
    requestId: undefined,
    details: JSON.stringify({ slug, name, host, isolation, dropped, members, deletedAt, deletedBy, begunAt, doneAt }),
  };
}

function isoSql(time: string): string {
  return `to_char(${time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;
}
