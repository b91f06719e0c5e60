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

/** How long somebody else may take to try again what could not be done now, in milliseconds. */
const RETRY_MS = 15_000;

/**
 * Deletes a tenant with all its data and checkpoints, for good. Its requests are refused first. From then on it cannot be
 * stopped: if this process dies, or a server does not answer, the deletion is ended as soon as that can be done. Its slug and
 * host are free again when its database or schema is gone.
 * @param reference its id or slug
 * @param confirmation its slug
 * @returns the tenant as it was, with the status DELETING
 * @throws {AppError} TENANT_NOT_FOUND; BAD_USER_INPUT if the slug is another one; TENANT_BUSY while it is created, or its
 *   database copied or replaced; CONFLICT while a run is to come to it, or it is being deleted; SERVER_BUSY if the deletion
 *   has begun, and ends later
 */
export async function deleteTenant(
  options: ProvisioningOptions,
  reference: string,
  confirmation: string,
): Promise<Tenant> {
  const { catalog, log } = options;
  const { id, slug } = await tenantByReference(catalog, reference);
  if (confirmation !== slug) {
    throw badInput('slug', `Nothing is deleted: the slug of this tenant is ${slug}, and was to be repeated`);
  }
  options.servers.get(FIRST_SERVER)?.requireAdmin();
  using _working = options.inProgress.begin(id);
  await catalog.use((client) => inTransaction(client, () => begin(client, options, id)));
  const tenant = await catalog.fork().findOneOrFail(Tenant, { id });
  try {
    await discard(options, tenant);
  } catch (cause) {
    log.error({ err: cause, tenant: id }, 'a deleted tenant cannot be removed now; trying again later');
    throw new AppError(
      'SERVER_BUSY',
      `The tenant ${slug} is being deleted, and not served any more. Its database cannot be dropped at present; that is done as soon as it can be.`,
      { cause, details: { retryAfterMs: RETRY_MS } },
    );
  }
  return tenant;
}

/** Whoever starts a run, or copies or replaces the database, locks the row too: before, and is seen here, or afterwards. */
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
      `The migration run ${runs[0].run} works on the tenant ${row.slug}, or is to. Wait for its end, or cancel it.`,
      { details: { run: runs[0].run } },
    );
  }
  // The process is told so that the others know, when it dies, that nobody works on the deletion any more.
  await client.query(takeStepSql(tenantSteps.delete, { where: 't.id = $1', set: 'claimed_by = $2' }), [
    id,
    listener.instance,
  ]);
}
