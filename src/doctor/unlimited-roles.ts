import pLimit from 'p-limit';
import { includesStatus } from '../catalog/steps.ts';
import { settledStatuses } from '../catalog/tenant-status.ts';
import { shortList } from '../lib/short-list.ts';
import type { PostgresServer } from '../postgres/server.ts';
import { installationRoles } from '../routing/placement.ts';
import { forbidFunctionsSql, hasUnforbiddenFunctions, mayForbidFunctions } from '../servers/revoke-functions.ts';
import { boundAllRolesSql, findUnboundRoles, type TenantBounds } from '../servers/role-limits.ts';
import { CONCURRENCY, howToFix, type Leftover } from './leftover.ts';

interface UnboundOptions {
  readonly databases: { readonly auth: string; readonly shared: string };
  readonly bounds: TenantBounds;
}

/** Finds tenants whose SQL may do more than it should, because an older version or other settings created them. */
export async function findUnboundTenants(
  server: PostgresServer,
  tenants: readonly { readonly database: string; readonly status: string }[],
  { databases, bounds }: UnboundOptions,
): Promise<Leftover[]> {
  const roles = installationRoles(databases.auth);
  const { unbound, mayForbid } = await server.admin(async (admin) => ({
    unbound: await findUnboundRoles(admin, roles, bounds),
    mayForbid: await mayForbidFunctions(admin),
  }));
  const settled = tenants.filter(({ status }) => includesStatus(settledStatuses, status));
  const unforbidden = mayForbid ? await findUnforbidden(server, new Set(settled.map(({ database }) => database))) : [];
  const found: Leftover[] = [];
  if (unbound.length > 0) {
    const { maintenanceDatabase = 'postgres' } = server.address ?? {};
    const names = unbound.map(({ role }) => role);
    const places = unbound.map(({ isolation }) => (isolation === 'SCHEMA' ? databases.shared : maintenanceDatabase));
    found.push({
      message: `Roles of tenants on the server ${server.name} have other limits or settings than they should: ${shortList(names, 3)}`,
      remedy: howToFix,
      fix: {
        server: server.name,
        databases: [...new Set(places)],
        sql: boundAllRolesSql(roles, bounds, databases.shared),
      },
    });
  }
  if (unforbidden.length > 0) {
    found.push({
      message: `In ${unforbidden.length} databases on the server ${server.name}, tenants' SQL may call functions that should be revoked: ${shortList(unforbidden, 3)}`,
      remedy: howToFix,
      fix: { server: server.name, databases: unforbidden, sql: forbidFunctionsSql },
    });
  }
  return found;
}

/** Skips databases that cannot be inspected; `findLeftovers` reports them. */
async function findUnforbidden(server: PostgresServer, databases: ReadonlySet<string>): Promise<readonly string[]> {
  const limit = pLimit(CONCURRENCY);
  const looked = await Promise.all(
    [...databases].map((database) =>
      limit(async () => ((await server.owner(database, hasUnforbiddenFunctions).catch(() => false)) ? [database] : [])),
    ),
  );
  return looked.flat();
}
