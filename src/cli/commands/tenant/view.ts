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
  readonly purgeAt: string | null;
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
      purgeAt: tenant.purgeAt?.toISOString() ?? null,
      createdAt: tenant.createdAt.toISOString(),
      id: tenant.id,
    };
  });
}
