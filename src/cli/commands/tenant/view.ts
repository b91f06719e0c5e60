import type { Tenant } from '../../../catalog/entities/tenant.entity.ts';
import type { Services } from '../../../installation/services.ts';

/** A tenant for the command line. The fields are those of `--json`. */
export interface TenantView {
  readonly slug: string;
  readonly name: string;
  readonly status: string;
  readonly isolation: string;
  /** The last applied migration, according to the catalog. */
  readonly version: string | null;
  /** How many migrations it lacks. */
  readonly behind: number;
  readonly host: string | null;
  readonly server: string;
  readonly database: string;
  readonly schema: string;
  /** When it was deleted, if it was, and when it is removed for good. */
  readonly deletedAt: string | null;
  readonly deletedBy: string | null;
  readonly purgeAt: string | null;
  /** The slug of the tenant that it is a clone of. */
  readonly clonedFrom: string | null;
  readonly createdAt: string;
  readonly id: string;
}

/** Whether there are several servers, so that a tenant's server is worth showing. */
export function hasServers({ servers }: Services): boolean {
  return servers.known().length > 1;
}

/** Returns tenants as the command line shows them. */
export async function viewTenants(services: Services, tenants: readonly Tenant[]): Promise<readonly TenantView[]> {
  const { behindByState, readStates } = await import('../../../fleet/tenant-states.ts');
  const files = await services.migrations.tenant.read();
  const behind = await behindByState(services.catalog, files);
  const states = new Map((await services.catalog.use(readStates)).map(({ id, version }) => [id, version]));
  return tenants.map((tenant) => {
    const state = tenant.migrationState?.id ?? '';
    return {
      slug: tenant.slug,
      name: tenant.name,
      status: tenant.status,
      isolation: tenant.isolation,
      version: states.get(state) ?? null,
      behind: behind.get(state) ?? files.length,
      host: tenant.host ?? null,
      server: tenant.server,
      database: tenant.database,
      schema: tenant.schema,
      deletedAt: tenant.deletedAt?.toISOString() ?? null,
      deletedBy: tenant.deletedBy ?? null,
      purgeAt: tenant.purgeAt?.toISOString() ?? null,
      clonedFrom: tenant.clonedFrom?.slug ?? null,
      createdAt: tenant.createdAt.toISOString(),
      id: tenant.id,
    };
  });
}

/** How much a tenant has, as `tenantry tenant show` shows it. Null if it cannot be measured now. */
export interface UsageView {
  readonly databaseBytes: number | null;
  /** PostgreSQL's estimate. */
  readonly rows: number | null;
  readonly files: number | null;
  readonly lastRequestAt: string | null;
  /** When the numbers were measured. */
  readonly measuredAt: string | null;
}

/** Returns the usage of a tenant as the command line shows it. */
export async function viewUsage(services: Services, tenant: Tenant): Promise<UsageView> {
  const { readUsages } = await import('../../../monitoring/usage/usage.ts');
  const { catalog, servers, provisioning, loads, log } = services;
  const options = { catalog, servers, files: provisioning.files, lastRequests: loads.lastRequests, log };
  const usage = (await readUsages(options, [tenant])).get(tenant.id);
  return {
    databaseBytes: usage?.databaseBytes ?? null,
    rows: usage?.rows ?? null,
    files: usage?.files ?? null,
    lastRequestAt: usage?.lastRequestAt?.toISOString() ?? null,
    measuredAt: usage?.measuredAt.toISOString() ?? null,
  };
}
