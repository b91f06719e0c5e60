import pLimit from 'p-limit';
import type pg from 'pg';
import type { Isolation, TenantStatus } from '../catalog/entities/tenant.entity.ts';
import { isBeingMadeSql } from '../catalog/open-work.ts';
import { includesStatus } from '../catalog/steps.ts';
import { unfinishedStatuses } from '../catalog/tenant-status.ts';
import { messageOf } from '../lib/errors.ts';
import { findInvalidIndexes } from '../migrator/apply/concurrent-indexes.ts';
import { commonSchema } from '../migrator/files/common-schema.ts';
import { type PostgresServer, serverNamed } from '../postgres/server.ts';
import { isAliveSql } from '../postgres/sql/advisory-lock.ts';
import { quoteIdentifier } from '../postgres/sql/quote.ts';
import { installationRoles, type Placement } from '../routing/placement.ts';
import { isTenantDatabaseSql } from '../servers/rights/foreign-objects.ts';
import type { TenantBounds } from '../servers/role-limits.ts';
import { findClusterProblems } from './citus.ts';
import { type ComparedTenant, findDifferentTenants } from './different-tenants.ts';
import { CONCURRENCY, howToFix, type Leftover, startFixes } from './leftover.ts';
import { compareCheckpoints, readCheckpoints } from './lost-checkpoints.ts';
import { findOrphanedSlots, readTransfers } from './orphaned-slots.ts';
import { findPoolerProblems } from './poolers.ts';
import { findIdleLocks, findInterrupted } from './stale-work.ts';
import { findTangledSchemas } from './tangled-schemas.ts';
import { findUnboundTenants } from './unlimited-roles.ts';

/** What finding leftovers needs. */
export interface LeftoverOptions {
  /** All servers by name. */
  readonly servers: ReadonlyMap<string, PostgresServer>;
  /** The name of the server with the catalog. */
  readonly first: string;
  readonly databases: { readonly auth: string; readonly shared: string };
  /** The limits that tenants' roles should have. */
  readonly bounds: TenantBounds;
  /** How long an idle session may hold a lock, in seconds. */
  readonly idleLockSeconds: number;
}

interface TenantRow {
  readonly key: string;
  readonly slug: string;
  readonly status: TenantStatus;
  readonly isolation: Isolation;
  readonly server: string;
  readonly database: string;
  readonly schema: string;
  /** The id of the migrations that it has, and the newest of them; null if unknown. */
  readonly state: string | null;
  readonly version: string | null;
  /** Whether a live process is working on it. */
  readonly attended: boolean;
  /** Whether it is still in the bin an hour after its time is over. */
  readonly overdue: boolean;
}

/** Compares the catalog with the servers. It connects to every tenant's database and changes nothing, except for
 * a role that it makes and drops to try the pooler. */
export async function findLeftovers(options: LeftoverOptions): Promise<readonly Leftover[]> {
  const { servers, first, databases } = options;
  const server = serverNamed(servers, first);
  const { tenants, common, interrupted, checkpoints, others, transfers } = await server.owner(
    databases.auth,
    async (client) => ({
      tenants: await readTenants(client),
      common: await readCommon(client),
      interrupted: await findInterrupted(client),
      checkpoints: await readCheckpoints(client),
      others: await readOtherPlaces(client),
      transfers: await readTransfers(client),
    }),
  );
  const found = [...halfCreated(tenants), ...overdue(tenants), ...interrupted];
  for (const [name, on] of servers) {
    const here = tenants.filter((tenant) => tenant.server === name);
    found.push(
      ...(await comparePlacements(
        on,
        here,
        others.filter(({ server: there }) => there === name),
        databases,
      )),
    );
    const copies = checkpoints.filter(({ server: there }) => there === name);
    found.push(...(await compareCheckpoints(on, copies, options)), ...(await findIdleLocks(on, options)));
    found.push(...(await findUnboundTenants(on, here, options)), ...(await findTangledSchemas(on, here, options)));
    found.push(...(await findPoolerProblems(on, options)));
    found.push(...(await findClusterProblems(on, here, databases.shared)));
    const ours = new Set([databases.shared, ...[...here, ...others].map(({ database }) => database)]);
    found.push(...(await findOrphanedSlots(on, transfers, ours)));
  }
  const settled = tenants.filter(({ status }) => ['ACTIVE', 'SUSPENDED'].includes(status));
  return [
    ...found,
    ...(await findDifferentTenants(servers, settled)),
    ...(await findDifferentTenants(servers, common, 'The schemas common')),
  ];
}

/** The schemas `common` of the databases that hold tenants. Each has the name of its database. */
async function readCommon(client: pg.Client): Promise<readonly ComparedTenant[]> {
  const { rows } = await client.query<ComparedTenant>(
    `SELECT format('that of the database %s on the server %s', database, server) AS slug, server, database, $1 AS schema,
       migration_state AS state, s.version
     FROM common_states c JOIN migration_states s ON s.id = c.migration_state
     WHERE EXISTS (SELECT FROM tenants t WHERE t.server = c.server AND t.database = c.database AND status IN ('ACTIVE', 'SUSPENDED'))
     ORDER BY server, database`,
    [commonSchema],
  );
  return rows;
}

async function readTenants(client: pg.Client): Promise<readonly TenantRow[]> {
  const { rows } = await client.query<TenantRow>(
    `SELECT key, slug, status, isolation, server, database, schema, migration_state AS state, s.version,
       ${isAliveSql('claimed_by')} OR ${isBeingMadeSql('t.id')} AS attended,
       status = 'DELETED' AND purge_at < now() - interval '1 hour' AS overdue
     FROM tenants t LEFT JOIN migration_states s ON s.id = t.migration_state ORDER BY t.created_at, t.id`,
  );
  return rows;
}

/** The places that belong to no tenant, but to transfers: their targets, and where tenants were before. */
async function readOtherPlaces(client: pg.Client): Promise<readonly Placement[]> {
  const { rows } = await client.query<Placement>(
    `SELECT server, database, schema FROM old_places
     UNION ALL SELECT to_server, to_database, to_schema FROM tenant_transfers WHERE ended_at IS NULL`,
  );
  return rows;
}

function halfCreated(tenants: readonly TenantRow[]): Leftover[] {
  return tenants
    .filter(({ status, attended }) => includesStatus(unfinishedStatuses, status) && !attended)
    .map(({ slug, status }) => ({
      message: `The tenant ${slug} is ${status}, but no process is working on it`,
      remedy: startFixes,
      fix: 'start',
    }));
}

function overdue(tenants: readonly TenantRow[]): Leftover[] {
  return tenants
    .filter((tenant) => tenant.overdue)
    .map(({ slug }) => ({
      message: `The time of the deleted tenant ${slug} in the bin is over, but no process has removed it`,
      remedy: startFixes,
      fix: 'start',
    }));
}

async function comparePlacements(
  server: PostgresServer,
  tenants: readonly TenantRow[],
  others: readonly Placement[],
  databases: LeftoverOptions['databases'],
): Promise<Leftover[]> {
  const { all, ours } = await server.admin((admin) => readDatabases(admin, databases.auth));
  const settled = tenants.filter(({ status }) => !includesStatus(unfinishedStatuses, status));
  const known = new Set([...tenants, ...others].map(({ database }) => database));
  const schemas = all.has(databases.shared) ? await server.owner(databases.shared, readSchemas) : new Set<string>();
  const knownSchemas = new Set([...tenants, ...others].map(({ schema }) => schema));
  const lost = settled.filter(({ isolation, database, schema }) =>
    isolation === 'DATABASE' ? !all.has(database) : !schemas.has(schema),
  );
  // A database that is being copied or replaced allows no connections. findInterrupted reports interrupted maintenance.
  const reachable = settled.filter(({ status, database }) => status !== 'MAINTENANCE' && all.has(database));
  const limit = pLimit(CONCURRENCY);
  const inside = await Promise.all(
    [...new Set(reachable.map(({ database }) => database))].map((database) => limit(() => inspect(server, database))),
  );
  return [
    ...lost.map(({ slug, isolation, database, schema }) => ({
      message: `The ${isolation === 'DATABASE' ? `database ${database}` : `schema ${schema}`} of the tenant ${slug} is missing on the server ${server.name}`,
      remedy: 'Restore it from a backup under this name',
    })),
    ...ours
      .filter((database) => !known.has(database))
      .map((database) => ({
        message: `The database ${database} on the server ${server.name} belongs to no tenant`,
        remedy: `If nobody needs its data: DROP DATABASE ${quoteIdentifier(database)}`,
      })),
    ...[...schemas]
      .filter((schema) => !knownSchemas.has(schema))
      .map((schema) => ({
        message: `The schema ${schema} of ${databases.shared} on the server ${server.name} belongs to no tenant`,
        remedy: `If nobody needs its data: DROP SCHEMA ${quoteIdentifier(schema)} CASCADE`,
      })),
    ...inside.flat(),
  ];
}

/** Reads all databases, and those of this installation's tenants. */
async function readDatabases(admin: pg.Client, authDatabase: string) {
  const { rows } = await admin.query<{ name: string; ours: boolean }>(
    `SELECT datname AS name, ${isTenantDatabaseSql(installationRoles(authDatabase))} AS ours FROM pg_database`,
  );
  return {
    all: new Set(rows.map(({ name }) => name)),
    ours: rows.filter(({ ours }) => ours).map(({ name }) => name),
  };
}

async function readSchemas(client: pg.Client): Promise<ReadonlySet<string>> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT nspname AS name FROM pg_namespace WHERE nspname ~ '^tenant_[0-9a-z]{10}$'`,
  );
  return new Set(rows.map(({ name }) => name));
}

/** A database that cannot be inspected does not prevent the inspection of others. */
async function inspect(server: PostgresServer, database: string): Promise<Leftover[]> {
  try {
    const indexes = await server.owner(database, (client) => findInvalidIndexes(client));
    return indexes.map((index) => ({
      message: `The index ${index} in the database ${database} on the server ${server.name} is INVALID`,
      remedy: howToFix,
      fix: { server: server.name, databases: [database], sql: `REINDEX INDEX CONCURRENTLY ${index}` },
    }));
  } catch (error) {
    return [
      {
        message: `The database ${database} on the server ${server.name} cannot be inspected: ${messageOf(error)}`,
        remedy: 'Fix what PostgreSQL reports, then run tenantry doctor again',
      },
    ];
  }
}
