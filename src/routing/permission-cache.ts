import type { Logger } from 'pino';
import type { Catalog } from '../catalog/catalog.ts';
import type { KnownTenant } from '../catalog/tenant-directory.ts';
import { TtlCache } from '../lib/ttl-cache.ts';
import type { Listener } from '../postgres/listener.ts';
import { OperationScope } from './operation-scope.ts';
import type { PermissionsOf, TenantMember } from './permissions.ts';
import type { TenantConnections } from './tenant-connections.ts';

const channel = 'permissions';

/** What finding permissions needs. */
export interface PermissionCacheOptions {
  readonly tenants: TenantConnections;
  readonly permissionsOf: PermissionsOf;
  readonly catalog: Catalog;
  readonly listener: Listener;
  readonly log: Logger;
}

/**
 * Caches members' permissions in their tenants. Code that changes permissions invalidates the cache. Other changes, such as
 * those of a migration, take effect within seconds.
 */
export class PermissionCache {
  readonly #options: PermissionCacheOptions;
  readonly #answers = new TtlCache<ReadonlySet<string>>(bytesOf);

  constructor(options: PermissionCacheOptions) {
    this.#options = options;
    options.listener.on(channel, (tenant) => this.#forget(tenant));
  }

  /** Returns a member's permissions. On a miss it queries the tenant's database through a lease of its own. */
  async find(tenant: KnownTenant, member: TenantMember | undefined): Promise<ReadonlySet<string>> {
    if (!member) return new Set();
    const { tenants, permissionsOf } = this.#options;
    const load = async () => {
      const lease = tenants.lease(tenant);
      try {
        return await permissionsOf(lease.em, member);
      } finally {
        await lease.release();
      }
    };
    const key = `${tenant.id} ${JSON.stringify(member)}`;
    // An operation that keeps its connection must not wait for another operation, which may wait for this very connection.
    if (OperationScope.current?.hasChanged) return this.#answers.known(key) ?? load();
    // Other operations may wait for the same answer, so it must not end with this one.
    const found = await this.#answers.find(key, () => OperationScope.leave(load));
    return found ?? new Set();
  }

  /** Must be called after a change of permissions in a tenant. It takes effect here at once, and soon on other servers. */
  async changed({ id, slug }: KnownTenant): Promise<void> {
    const { catalog, log } = this.#options;
    this.#forget(id);
    try {
      await catalog.use((client) => client.query('SELECT notify_if_room($1, $2)', [channel, id]));
    } catch (error) {
      // The change itself has succeeded. Other servers' cached answers expire within seconds.
      log.warn({ err: error, tenant: slug }, 'could not notify other servers of changed permissions');
    }
  }

  #forget(tenant: string | undefined): void {
    const prefix = `${tenant} `;
    this.#answers.forget((key) => tenant === undefined || key.startsWith(prefix));
  }
}

function bytesOf(names: ReadonlySet<string>): number {
  return [...names].reduce((bytes, name) => bytes + 2 * name.length + 50, 0);
}
