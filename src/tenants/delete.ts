import type pg from 'pg';
import { FIRST_SERVER } from '../catalog/entities/database-server.entity.ts';
import { Tenant, type TenantStatus } from '../catalog/entities/tenant.entity.ts';
import { tenantByReference } from '../catalog/find-tenants.ts';
import { openItemStatuses, statusSql } from '../catalog/run-status.ts';
import { AppError, badInput } from '../lib/errors.ts';
import { inTransaction } from '../postgres/sql/transaction.ts';
import type { ProvisioningOptions } from './options.ts';
import { discard, whileInProgress } from './remove.ts';
import { refusalOf } from './suspend.ts';

/** How long somebody else may take to try again what could not be done now, in milliseconds. */
const RETRY_MS = 15_000;

/** The statuses of tenants on which nobody works. */
const deletable: readonly TenantStatus[] = ['ACTIVE', 'SUSPENDED', 'NEEDS_ATTENTION'];

/**
 * Deletes a tenant with all its data and checkpoints, for good. Its requests are refused first. From then on it cannot be
 * stopped: if this process dies, or a server does not answer, the deletion is ended as soon as that can be done. Its slug and
 * host are free again when its database or schema is gone.
 * @param reference its id or slug
 * @param confirmation its slug
 * @returns the tenant as it was, with the status DELETING
 * @throws {AppError} TENANT_NOT_FOUND; CONFLICT if objects of other tenants depend on its schema; BAD_USER_INPUT if the slug is another one; TENANT_BUSY while it is created, or its
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
  await checkRemoval(options, id);
  return whileInProgress(options, id, async () => {
    await catalog.use((client) => inTransaction(client, () => begin(client, options, id)));
    const tenant = await catalog.fork().findOneOrFail(Tenant, { id });
    try {
      await discard(options, tenant);
    } catch (cause) {
      log.error({ err: cause, tenant: id }, 'a tenant that is deleted cannot be removed now; trying again later');
      throw new AppError(
        'SERVER_BUSY',
        `The tenant ${slug} is being deleted, and not served any more. Its database cannot be dropped at present; that is done as soon as it can be.`,
        { cause, details: { retryAfterMs: RETRY_MS } },
      );
    }
    return tenant;
  });
}

/** Before the deletion begins, for then it cannot be stopped. */
async function checkRemoval({ catalog, servers }: ProvisioningOptions, id: string): Promise<void> {
  const tenant = await catalog.fork().findOne(Tenant, { id });
  if (!tenant || !deletable.includes(tenant.status)) return;
  const { provisioner } = await servers.find(tenant.server);
  await provisioner.checkRemoval(tenant);
}

/** Whoever starts a run, or copies or replaces the database, locks the row too: before, and is seen here, or afterwards. */
async function begin(client: pg.Client, { listener }: ProvisioningOptions, id: string): Promise<void> {
  const { rows } = await client.query<{ slug: string; status: TenantStatus }>(
    'SELECT slug, status FROM tenants WHERE id = $1 FOR UPDATE',
    [id],
  );
  const [row] = rows;
  if (!row || !deletable.includes(row.status)) throw refusalOf(row, id);
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
  await client.query(`UPDATE tenants SET status = 'DELETING', claimed_by = $2 WHERE id = $1`, [id, listener.instance]);
}
