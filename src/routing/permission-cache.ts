import type { Logger } from 'pino';
import type { Catalog } from '../catalog/catalog.ts';
import type { KnownTenant } from '../catalog/tenant-directory.ts';
import { TtlCache } from '../lib/ttl-cache.ts';
import type { Listener } from '../postgres/listener.ts';
import { OperationScope } from './operation-scope.ts';
import type { PermissionsOf, TenantMember } from './permissions.ts';
import type { TenantConnections } from './tenant-connections.ts';

const channel = 'permissions';

/** What permissions are found with. */
export interface PermissionCacheOptions {
  readonly tenants: TenantConnections;
  readonly permissionsOf: PermissionsOf;
  readonly catalog: Catalog;
  readonly listener: Listener;
  readonly log: Logger;
}

/**
 * What members may do in their tenants, from memory if it can: who changes it says so, and what changes it otherwise, such as a
 * migration, is known within seconds.
 */
export class PermissionCache {
  readonly #options: PermissionCacheOptions;
  readonly #answers = new TtlCache<ReadonlySet<string>>(bytesOf);

  constructor(options: PermissionCacheOptions) {
    this.#options = options;
    options.listener.on(channel, (tenant) => this.#forget(tenant));
  }

  /** What a member may do in a tenant. It is asked for in the tenant's database, which is lent for this alone. */
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
    // Other operations may wait for the same answer, also when this one ends.
    const found = await this.#answers.find(`${tenant.id} ${JSON.stringify(member)}`, () => OperationScope.leave(load));
    return found ?? new Set();
  }

  /** To be called after what members may do in a tenant has been changed: this server knows it at once, others soon. */
  async changed({ id, slug }: KnownTenant): Promise<void> {
    const { catalog, log } = this.#options;
    this.#forget(id);
    try {
      await catalog.use((client) => client.query('SELECT notify_if_room($1, $2)', [channel, id]));
    } catch (error) {
      // The change is done, and is not to fail: other servers find it out by themselves, some seconds later.
      log.warn({ err: error, tenant: slug }, 'other servers could not be told of changed permissions');
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
