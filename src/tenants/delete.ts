import type pg from 'pg';
import { FIRST_SERVER } from '../catalog/entities/database-server.entity.ts';
import { Tenant, type TenantStatus } from '../catalog/entities/tenant.entity.ts';
import { tenantByReference } from '../catalog/find-tenants.ts';
import { findOpenWork, refuseOpenRun, refuseOpenTransfer } from '../catalog/open-work.ts';
import { canTake, takeStepSql, tenantSteps } from '../catalog/tenant-status.ts';
import { AppError, badInput } from '../lib/errors.ts';
import { inTransaction } from '../postgres/sql/transaction.ts';
import { comingBack, inTheBin, mustBeInBin } from './bin.ts';
import type { ProvisioningOptions } from './options.ts';
import { discard } from './remove.ts';
import { statusRefusal } from './suspend.ts';

/** How long it takes until another process retries the deletion, in milliseconds. */
const RETRY_MS = 15_000;

/** Who deletes a tenant, and how. */
export interface DeletionRequest {
  /** The tenant's slug, as a safeguard. */
  readonly confirmation: string;
  /** Whether to remove it for good at once. A tenant in the bin can be, too. */
  readonly purge?: boolean | undefined;
  /** Who asks for it, for the catalog and the audit log. */
  readonly by: string;
  /** The id of the user, if it is one. */
  readonly userId?: string | undefined;
}

/**
 * Deletes a tenant. It is no longer served and goes into the bin, from where it can be brought back until its time is over.
 * With `purge`, or without such a time in the settings, it is removed for good, with its data and checkpoints. From then on
 * the removal cannot be stopped: if this process dies or a server does not answer, another process finishes it later. The slug
 * and host are available again when the database or schema is dropped.
 * @param reference the tenant's id or slug
 * @returns the tenant with the status DELETED or DELETING
 * @throws {AppError} TENANT_NOT_FOUND; BAD_USER_INPUT if the confirmation is not the slug; TENANT_BUSY while the tenant is
 *   created or in maintenance; CONFLICT while an unfinished run contains the tenant, if it is in the bin already, or for a
 *   removal while objects of other tenants depend on its schema or while it is being removed; SERVER_BUSY if the removal has
 *   started and finishes later
 */
export async function deleteTenant(
  options: ProvisioningOptions,
  reference: string,
  request: DeletionRequest,
): Promise<Tenant> {
  const { catalog } = options;
  const { id, slug } = await tenantByReference(catalog, reference);
  if (request.confirmation !== slug) {
    throw badInput('slug', `Nothing was deleted: to confirm, repeat the tenant's slug, which is ${slug}`);
  }
  options.servers.get(FIRST_SERVER)?.requireAdmin();
  return request.purge || options.retentionDays === 0
    ? purge(options, { id, slug }, request)
    : putIntoBin(options, { id, slug }, request);
}

type NamedTenant = Pick<Tenant, 'id' | 'slug'>;

async function putIntoBin(
  options: ProvisioningOptions,
  { id, slug }: NamedTenant,
  { by }: DeletionRequest,
): Promise<Tenant> {
  const { catalog, servers, retentionDays, log } = options;
  await checkRemoval(options, id).catch((err: unknown) => {
    if (err instanceof AppError && err.code === 'CONFLICT') throw err;
    // It is checked again before it is removed.
    log.warn({ err, tenant: id }, 'could not check whether other tenants depend on a deleted one');
  });
  await catalog.use((client) =>
    inTransaction(client, async () => {
      await lockFree(client, { id, slug }, 'delete');
      const set = `deleted_at = now(), deleted_by = $2, purge_at = now() + make_interval(days => $3),
        status_before_deletion = t.status, undelete_run = NULL`;
      await client.query(takeStepSql(tenantSteps.delete, { where: 't.id = $1', set }), [id, by, retentionDays]);
    }),
  );
  const tenant = await catalog.fork().findOneOrFail(Tenant, { id });
  try {
    const { provisioner } = await servers.find(tenant.server);
    await provisioner.lockOut(tenant, () => mustBeInBin(catalog, tenant));
  } catch (err) {
    // Its requests are refused anyway. What bypasses this server is ended by those that watch the sessions.
    log.warn({ err, tenant: tenant.slug }, 'could not keep the role of a deleted tenant from logging in');
  }
  return tenant;
}

async function purge(
  options: ProvisioningOptions,
  { id, slug }: NamedTenant,
  { by, userId }: DeletionRequest,
): Promise<Tenant> {
  const { catalog, listener, log } = options;
  await checkRemoval(options, id);
  using _working = options.inProgress.begin(id);
  await catalog.use((client) =>
    inTransaction(client, async () => {
      await lockFree(client, { id, slug }, 'purge');
      // The row names the process, so that others can take over the removal if it dies.
      await client.query(
        takeStepSql(tenantSteps.purge, { where: 't.id = $1', set: `claimed_by = $2, ${removalSql('$3', '$4')}` }),
        [id, listener.instance, by, userId ?? null],
      );
    }),
  );
  const tenant = await catalog.fork().findOneOrFail(Tenant, { id });
  try {
    await discard(options, tenant);
  } catch (cause) {
    log.error({ err: cause, tenant: id }, 'could not remove a deleted tenant; will try again later');
    throw new AppError(
      'SERVER_BUSY',
      `The tenant ${tenant.slug} is being deleted and no longer served. Not all of its data could be removed yet. Tenantry retries that by itself.`,
      { cause, details: { retryAfterMs: RETRY_MS } },
    );
  }
  return tenant;
}

/** Returns the assignments that remember who removes a tenant. The one who put it into the bin stays known. */
export function removalSql(by: '$2' | '$3', userId: '$3' | '$4'): string {
  return `deleted_at = coalesce(t.deleted_at, now()), deleted_by = coalesce(t.deleted_by, ${by}),
    removal = jsonb_build_object('by', ${by}::text, 'userId', ${userId}::text, 'begunAt', now())`;
}

/** Refuses while a refusal is possible: once the removal has started, it cannot be stopped. */
export async function checkRemoval({ catalog, servers }: ProvisioningOptions, id: string): Promise<void> {
  const tenant = await catalog.fork().findOne(Tenant, { id });
  if (!tenant || !canTake(tenantSteps.purge, tenant.status)) return;
  const { provisioner } = await servers.find(tenant.server);
  await provisioner.checkRemoval(tenant);
}

/** Starting a run or a maintenance locks the same row, so neither can start unnoticed. */
async function lockFree(client: pg.Client, { id, slug }: NamedTenant, step: 'delete' | 'purge'): Promise<void> {
  const { rows } = await client.query<{ slug: string; status: TenantStatus; purgeAt: string | null }>(
    `SELECT slug, status, to_char(purge_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS "purgeAt"
     FROM tenants WHERE id = $1 FOR UPDATE`,
    [id],
  );
  const [row] = rows;
  if (row?.status === 'DELETED' && step === 'delete') throw inTheBin(row);
  const work = await findOpenWork(client, id);
  if (row) refuseOpenTransfer(work, row.slug);
  if (row?.status === 'DELETED' && work.run !== undefined) throw comingBack(row.slug, work.run);
  if (!row || !canTake(tenantSteps[step], row.status)) throw statusRefusal(row, slug);
  refuseOpenRun(work, row.slug);
}
