import type { Logger } from 'pino';
import type { Catalog } from '../catalog/catalog.ts';
import { Tenant } from '../catalog/entities/tenant.entity.ts';
import { tenantByReference } from '../catalog/find-tenants.ts';
import type { KnownTenant } from '../catalog/tenant-directory.ts';
import { checkNotDeleted } from '../catalog/tenant-maintenance.ts';
import { AppError } from '../lib/errors.ts';
import type { Listener } from '../postgres/listener.ts';
import type { PostgresServer } from '../postgres/server.ts';
import type { Renewal } from '../routing/renewable-role.ts';
import { tenantBusy } from '../routing/resolve-tenant.ts';
import type { ServerRegistry } from './registry.ts';
import { endEarlierSessions } from './tenant-sessions.ts';

/** What renewing tenants' roles needs. */
export interface RenewRolesOptions {
  readonly catalog: Catalog;
  readonly listener: Listener;
  readonly servers: ServerRegistry;
  /** Tells whether this process may administer, or only serves. */
  readonly first: PostgresServer;
  readonly log: Logger;
}

/** What is asked for on a channel. */
const channels = { login: 'role_renewals', sessions: 'session_renewals' } as const satisfies Record<Renewal, string>;

/** Resets a tenant's role to its derived password, its limits and its settings, and may end the sessions that it had before. */
export type RenewRole = (tenant: KnownTenant, renewal: Renewal) => Promise<void>;

/**
 * Creates a function that renews a tenant's role after PostgreSQL has rejected its password, or when its sessions behind a pooler
 * have other settings. A process that only serves notifies the processes that may administer, and its caller must retry.
 */
export function createRoleRenewal({ catalog, listener, servers, first, log }: RenewRolesOptions): RenewRole {
  const renew: RenewRole = async (tenant, renewal) => {
    const { provisioner } = await servers.find(tenant.server);
    const check = () => checkMayConnect(catalog, tenant);
    // A pooler keeps sessions with the settings that the role had before.
    await provisioner.renewRole(tenant, check, renewal === 'sessions' ? endEarlierSessions : undefined);
  };
  const ask: RenewRole = async ({ id, slug }, renewal) => {
    await catalog.use((client) => client.query('SELECT notify_if_room($1, $2)', [channels[renewal], id]));
    const message = `The database role of the tenant ${slug} is being renewed. Try again in a moment.`;
    throw new AppError('SERVER_BUSY', message, { details: { retryAfterMs: 1000 } });
  };
  if (!first.canAdminister) return ask;
  for (const renewal of ['login', 'sessions'] as const) {
    const renewFor = async (id: string) => renew(await tenantByReference(catalog, id), renewal);
    listener.on(channels[renewal], (id) => {
      if (id === undefined) return;
      renewFor(id).catch((err: unknown) => log.warn({ err, tenant: id }, "could not renew a tenant's role"));
    });
  }
  return renew;
}

/**
 * Checks that the role of a tenant, as the caller knows the tenant, may be allowed to connect: the tenant has not been deleted or
 * moved since, and is not in maintenance. Roles of old places stay locked.
 * @throws {AppError} TENANT_NOT_FOUND, or TENANT_BUSY
 */
export async function checkMayConnect(
  catalog: Catalog,
  tenant: Pick<KnownTenant, 'id' | 'slug' | 'key'>,
): Promise<void> {
  await checkNotDeleted(catalog, tenant);
  const { id, key, slug } = tenant;
  const isThere = await catalog.fork().count(Tenant, { id, key, status: { $ne: 'MAINTENANCE' } });
  if (isThere === 0) throw tenantBusy(slug);
}
