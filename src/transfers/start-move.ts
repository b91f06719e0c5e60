import { FIRST_SERVER } from '../catalog/entities/database-server.entity.ts';
import type { Isolation, Tenant } from '../catalog/entities/tenant.entity.ts';
import { tenantByReference } from '../catalog/find-tenants.ts';
import { canTake, tenantSteps } from '../catalog/tenant-status.ts';
import { refuseDistributed } from '../copying/distributed.ts';
import { refuseLargeObjects } from '../copying/large-objects.ts';
import { placeOn } from '../copying/place-on.ts';
import { checkOnlineCopy } from '../copying/replication/online-copy.ts';
import { refuseRowSecurity } from '../copying/row-security.ts';
import { AppError, badInput } from '../lib/errors.ts';
import { readApplied } from '../migrator/apply/apply.ts';
import { planUp } from '../migrator/files/plan.ts';
import { serverNamed } from '../postgres/server.ts';
import { newPlacement, newTenantKey } from '../routing/placement.ts';
import { chooseServer } from '../servers/choose.ts';
import { asOwner } from '../tenants/as-owner.ts';
import { refusalNow } from '../tenants/suspend.ts';
import { insertTransfer } from './insert.ts';
import { KEEP_HOURS, MAX_KEEP_HOURS } from './keep-hours.ts';
import { startNodeMove } from './nodes/start.ts';
import type { TransferOptions } from './options.ts';

/** Where to move a tenant. */
export interface MoveInput {
  /** Its id or slug. */
  readonly tenant: string;
  /** By default the server where it is. */
  readonly server?: string | undefined;
  /** By default the isolation that it has. */
  readonly isolation?: Isolation | undefined;
  /** A node of its server's Citus cluster, as host:port, instead of a server or an isolation. */
  readonly node?: string | undefined;
  /** Whether it is served meanwhile, except for a moment. */
  readonly online?: boolean | undefined;
  /** How long the old place is kept, in hours; 24 by default. A move to another node leaves none. */
  readonly keepHours?: number | undefined;
}

/** Who asks for a transfer. */
export interface Requester {
  readonly requestedBy: string | null;
}

/**
 * Starts to move a tenant to another server or isolation, or to another node of its server, and returns the transfer's id. Any process with a worker carries it out.
 * @throws {AppError} TENANT_NOT_FOUND; BAD_USER_INPUT if there is nothing to change, or for what has no effect; NOT_FOUND for an unknown server; CONFLICT
 *   if the server accepts no tenants, the tenant's status does not allow it, or another transfer or an unfinished run contains
 *   the tenant, or its server or tables do not allow an online move; MIGRATION_UNKNOWN or MIGRATION_CHANGED if this process does not have the tenant's migrations; TENANT_BUSY;
 *   SERVER_BUSY
 */
export async function moveTenant(options: TransferOptions, input: MoveInput, by: Requester): Promise<string> {
  options.servers.get(FIRST_SERVER)?.requireAdmin();
  const tenant = await tenantByReference(options.catalog, input.tenant);
  const { keepHours = KEEP_HOURS, online = false } = input;
  if (!Number.isInteger(keepHours) || keepHours < 0 || keepHours > MAX_KEEP_HOURS) {
    throw badInput('keepHours', `keepHours must be a whole number from 0 to ${MAX_KEEP_HOURS}`);
  }
  if (!canTake(tenantSteps.beginMove, tenant.status)) throw await refusalNow(options.catalog, tenant, input.tenant);
  const { node } = input;
  if (node !== undefined) {
    if (input.server !== undefined || input.isolation !== undefined) throw notTogether();
    // The API's default cannot be told from its value.
    if (keepHours !== KEEP_HOURS) throw keepsNothing();
    return startNodeMove(options, tenant, { ...input, node }, by);
  }
  const isolation = input.isolation ?? tenant.isolation;
  const server = input.server ?? tenant.server;
  if (isolation === tenant.isolation && server === tenant.server) throw nothingToChange(tenant);
  // A full server may still change the isolation of its own tenants.
  if (server !== tenant.server) await chooseServer(options, server);
  await checkMigrations(options, tenant);
  await checkRows(options, tenant);
  if (online) {
    const target = serverNamed(options.servers, server);
    await checkOnlineCopy(placeOn(serverNamed(options.servers, tenant.server), tenant), target.admin.bind(target));
  }
  const key = newTenantKey();
  const to = { key, isolation, ...newPlacement(key, isolation, server, options.sharedDatabase) };
  return insertTransfer(options, { kind: 'MOVE', tenant, to, online, keepHours, ...by });
}

/** Checks before the tenant is in maintenance what the copy checks again. */
function checkRows({ servers }: TransferOptions, tenant: Tenant): Promise<void> {
  return asOwner(servers, tenant, async (client) => {
    await refuseDistributed({ client, place: tenant });
    await refuseRowSecurity({ client, place: tenant });
    await refuseLargeObjects({ client, place: tenant });
  });
}

function notTogether(): AppError {
  return badInput(
    'node',
    'Name either a node of the server where the tenant is, or a server or isolation to move it to',
  );
}

function keepsNothing(): AppError {
  return badInput('keepHours', 'A move to another node leaves no old place. Leave keepHours out.');
}

function nothingToChange({ slug, isolation, server }: Tenant): AppError {
  const has = isolation === 'DATABASE' ? 'has a database' : 'has a schema';
  return badInput(
    'server',
    `The tenant ${slug} ${has} on the server ${server} already. Name another server or another isolation.`,
  );
}

/**
 * Checks that this process has the migrations of a tenant, because it is to make the same tables elsewhere.
 * @throws {AppError} MIGRATION_UNKNOWN, MIGRATION_CHANGED, TENANT_BUSY, or CONFLICT if its database is missing
 */
export async function checkMigrations(
  { servers, migrations, lockTimeoutMs }: TransferOptions,
  tenant: Tenant,
): Promise<void> {
  const files = await migrations.tenant.read();
  const { schema } = tenant;
  const { applied } = await asOwner(servers, tenant, (client) =>
    readApplied(client, { scope: 'TENANT', schema, files, lockTimeoutMs }),
  );
  const plan = planUp(files, applied);
  if (plan.kind === 'steps' || plan.code === 'BAD_USER_INPUT') return;
  throw new AppError(plan.code, `The tenant ${tenant.slug} cannot be copied: ${plan.message}`);
}
