import type pg from 'pg';
import { FIRST_SERVER } from '../catalog/entities/database-server.entity.ts';
import { Tenant, type TenantStatus } from '../catalog/entities/tenant.entity.ts';
import { tenantByReference } from '../catalog/find-tenants.ts';
import { openItemStatuses } from '../catalog/run-status.ts';
import { statusSql } from '../catalog/steps.ts';
import { canTake, takeStepSql, tenantSteps } from '../catalog/tenant-status.ts';
import { AppError, badInput } from '../lib/errors.ts';
import { inTransaction } from '../postgres/sql/transaction.ts';
import type { ProvisioningOptions } from './options.ts';
import { discard } from './remove.ts';
import { refusalOf } from './suspend.ts';

/** How long it takes until another process retries the deletion, in milliseconds. */
const RETRY_MS = 15_000;

/**
 * Permanently deletes a tenant with its data and checkpoints. It first stops serving the tenant. From then on the deletion
 * cannot be stopped: if this process dies or a server does not answer, another process finishes it later. The slug and host
 * are available again when the database or schema is dropped.
 * @param reference the tenant's id or slug
 * @param confirmation the tenant's slug
 * @returns the tenant with the status DELETING
 * @throws {AppError} TENANT_NOT_FOUND; BAD_USER_INPUT if the confirmation is not the slug; TENANT_BUSY while the tenant is
 *   created or in maintenance; CONFLICT while objects of other tenants depend on its schema, while an unfinished run contains the tenant, or while it is being deleted; SERVER_BUSY
 *   if the deletion has started and finishes later
 */
export async function deleteTenant(
  options: ProvisioningOptions,
  reference: string,
  confirmation: string,
): Promise<Tenant> {
  const { catalog, log } = options;
  const { id, slug } = await tenantByReference(catalog, reference);
  if (confirmation !== slug) {
    throw badInput('slug', `Nothing was deleted: to confirm, repeat the tenant's slug, which is ${slug}`);
  }
  options.servers.get(FIRST_SERVER)?.requireAdmin();
  await checkRemoval(options, id);
  using _working = options.inProgress.begin(id);
  await catalog.use((client) => inTransaction(client, () => begin(client, options, id)));
  const tenant = await catalog.fork().findOneOrFail(Tenant, { id });
  try {
    await discard(options, tenant);
  } catch (cause) {
    log.error({ err: cause, tenant: id }, 'could not remove a deleted tenant; will try again later');
    throw new AppError(
      'SERVER_BUSY',
      `The tenant ${slug} is being deleted and no longer served. Not all of its data could be removed yet. Tenantry retries that by itself.`,
      { cause, details: { retryAfterMs: RETRY_MS } },
    );
  }
  return tenant;
}

/** Refuses while a refusal is possible: once the deletion has started, it cannot be stopped. */
async function checkRemoval({ catalog, servers }: ProvisioningOptions, id: string): Promise<void> {
  const tenant = await catalog.fork().findOne(Tenant, { id });
  if (!tenant || !canTake(tenantSteps.delete, tenant.status)) return;
  const { provisioner } = await servers.find(tenant.server);
  await provisioner.checkRemoval(tenant);
}

/** Starting a run or a maintenance locks the same row, so neither can start unnoticed. */
async function begin(client: pg.Client, { listener }: ProvisioningOptions, id: string): Promise<void> {
  const { rows } = await client.query<{ slug: string; status: TenantStatus }>(
    'SELECT slug, status FROM tenants WHERE id = $1 FOR UPDATE',
    [id],
  );
  const [row] = rows;
  if (!row || !canTake(tenantSteps.delete, row.status)) throw refusalOf(row, id);
  const { rows: runs } = await client.query<{ run: string }>(
    `SELECT run_id AS run FROM migration_run_items WHERE tenant_id = $1 AND ${statusSql(openItemStatuses)} LIMIT 1`,
    [id],
  );
  if (runs[0]) {
    throw new AppError(
      'CONFLICT',
      `The migration run ${runs[0].run} includes the tenant ${row.slug} and has not finished. Wait for its end, or cancel it.`,
      { details: { run: runs[0].run } },
    );
  }
  // The row names the process, so that others can take over the deletion if it dies.
  await client.query(takeStepSql(tenantSteps.delete, { where: 't.id = $1', set: 'claimed_by = $2' }), [
    id,
    listener.instance,
  ]);
}
