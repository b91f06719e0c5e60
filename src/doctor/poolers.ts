import type { PostgresServer } from '../postgres/server.ts';
import { installationRoles } from '../routing/placement.ts';
import { findPoolerProblem } from '../servers/poolers/check-pooler.ts';
import type { TenantBounds } from '../servers/role-limits.ts';
import type { Leftover } from './leftover.ts';

interface PoolerOptions {
  readonly first: string;
  readonly databases: { readonly auth: string; readonly shared: string };
  readonly bounds: TenantBounds;
}

/** Finds out whether requests of tenants can go through the pooler of a server. */
export async function findPoolerProblems(
  server: PostgresServer,
  { first, databases, bounds }: PoolerOptions,
): Promise<Leftover[]> {
  const problem = await findPoolerProblem(server, {
    sharedDatabase: databases.shared,
    roles: installationRoles(databases.auth),
    bounds,
  });
  if (!problem) return [];
  const how = server.name === first ? 'DATABASE_POOLER_URL' : `tenantry server update ${server.name} --pooler-url URL`;
  return [
    {
      message: `Requests to tenants on the server ${server.name} cannot go through its connection pooler: ${problem}`,
      remedy: `Correct the pooler's configuration, which docs/poolers.md describes, or its address (${how})`,
    },
  ];
}
