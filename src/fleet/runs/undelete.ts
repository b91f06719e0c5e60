import { FIRST_SERVER } from '../../catalog/entities/database-server.entity.ts';
import type { Tenant } from '../../catalog/entities/tenant.entity.ts';
import { tenantByReference } from '../../catalog/find-tenants.ts';
import { AppError } from '../../lib/errors.ts';
import type { TenantFiles } from '../../migrator/files/migration-folders.ts';
import { mustBeInBin, notInBin } from '../../tenants/bin.ts';
import type { ProvisioningOptions } from '../../tenants/options.ts';
import { bringBackInNeed } from './bring-back.ts';
import { startRun } from './start.ts';

/** What bringing a tenant back needs. */
export type UndeleteOptions = Pick<ProvisioningOptions, 'catalog' | 'servers' | 'log'>;

/**
 * Starts to bring a tenant back from the bin: a run for this tenant alone applies the migrations that it lacks, and at the end of
 * the run it has its former status. If it lacks none, that is at once. If the run fails, the tenant stays in the
 * bin. Any worker continues the run if this process dies.
 * @param reference the tenant's id or slug
 * @returns the run's id; undefined for a tenant that needed attention, which is back as it was
 * @throws {AppError} TENANT_NOT_FOUND; CONFLICT while somebody else brings it back, or if it is not in the bin or is being
 *   removed for good; SERVER_BUSY if its server does not answer
 */
export async function startUndelete(
  options: UndeleteOptions,
  files: TenantFiles,
  reference: string,
): Promise<string | undefined> {
  const { catalog, servers } = options;
  const tenant = await tenantByReference(catalog, reference);
  if (tenant.status !== 'DELETED') throw notInBin(tenant);
  servers.get(FIRST_SERVER)?.requireAdmin();
  // Before it is served, its role can log in again. Until then, its sessions are ended from outside.
  const { provisioner } = await servers.find(tenant.server);
  await provisioner.renewRole(tenant, () => mustBeInBin(catalog, tenant));
  if (await catalog.use((client) => bringBackInNeed(client, tenant.id))) return undefined;
  return startRun(catalog, files, {
    undelete: tenant,
    dryRun: false,
    continueOnError: true,
    concurrency: 1,
    verify: false,
  });
}

/**
 * Returns the tenant after the run that was to bring it back, or as it is if the run goes on.
 * @throws {AppError} CONFLICT with the reason if the run has ended and the tenant is still in the bin
 */
export async function undeleted(options: UndeleteOptions, reference: string, run: string | undefined): Promise<Tenant> {
  const { catalog, servers, log } = options;
  const tenant = await tenantByReference(catalog, reference);
  if (tenant.status !== 'DELETED' || run === undefined) return tenant;
  const { rows } = await catalog.use((client) =>
    client.query<{ hasEnded: boolean; error: string | null; status: string | null }>(
      `SELECT r.ended_at IS NOT NULL AS "hasEnded", i.error, i.status
       FROM migration_runs r LEFT JOIN migration_run_items i ON i.run_id = r.id AND i.tenant_id = $2 WHERE r.id = $1`,
      [run, tenant.id],
    ),
  );
  const [ended] = rows;
  if (ended && !ended.hasEnded) return tenant;
  await servers
    .find(tenant.server)
    .then(({ provisioner }) => provisioner.lockOut(tenant, () => mustBeInBin(catalog, tenant)))
    .catch((err: unknown) => log.warn({ err, tenant: tenant.slug }, 'could not lock out the role of a deleted tenant'));
  const reason = ended?.error ?? `it is ${ended?.status ?? 'gone'} there`;
  throw new AppError(
    'CONFLICT',
    `The tenant ${tenant.slug} stays deleted, because the run ${run} could not migrate it: ${reason}. Fix the cause, then undelete it again.`,
    { details: { run } },
  );
}
