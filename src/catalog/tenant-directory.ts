import { LRUCache } from 'lru-cache';
import { isUuid } from '../is-uuid.ts';
import type { Listener } from '../postgres/listener.ts';
import type { Catalog } from './catalog.ts';
import { type MemberRole, Membership } from './membership.entity.ts';
import { Tenant } from './tenant.entity.ts';

const CACHED = 10_000;
/** How long an answer may be believed when the notification that it has changed is lost, in milliseconds. */
const TTL_MS = 5_000;

/** What is kept belongs to no entity manager, which it would keep in memory. */
const detached = { disableIdentityMap: true } as const;

/** An answer that is kept, with the tenant that it is about; null: there is none. */
interface Entry {
  readonly tenant: Tenant | null;
}

/** Finds tenants for requests, from memory if it can: the catalog's notifications tell what has changed. */
export class TenantDirectory {
  readonly #cache: LRUCache<string, Entry>;
  readonly #members: LRUCache<string, { readonly role: MemberRole | null }>;

  constructor(catalog: Catalog, listener: Listener) {
    this.#cache = new LRUCache({
      max: CACHED,
      ttl: TTL_MS,
      fetchMethod: async (key) => {
        const where = key.startsWith('host:') ? { host: key.slice(5) } : refWhere(key.slice(4));
        return { tenant: await catalog.fork().findOne(Tenant, where, detached) };
      },
    });
    this.#members = new LRUCache({
      max: CACHED,
      ttl: TTL_MS,
      fetchMethod: async (key) => {
        const [user = '', tenant = ''] = key.split(' ');
        const membership = await catalog.fork().findOne(Membership, { user, tenant }, detached);
        return { role: membership?.role ?? null };
      },
    });
    listener.on('tenants', (id) => this.#forget(id));
  }

  /** The tenant with this id or slug. */
  async byReference(reference: string): Promise<Tenant | undefined> {
    if (!/^[a-z0-9-]{3,63}$/i.test(reference)) return undefined;
    return (await this.#cache.fetch(`ref:${reference}`))?.tenant ?? undefined;
  }

  /** The tenant with this host name, which is given without port. */
  async byHost(host: string): Promise<Tenant | undefined> {
    if (!/^[a-z0-9.-]{1,253}$/.test(host)) return undefined;
    return (await this.#cache.fetch(`host:${host}`))?.tenant ?? undefined;
  }

  /** What a user is in a tenant; undefined if no member. */
  async roleOf(user: string, tenant: Tenant): Promise<MemberRole | undefined> {
    if (!isUuid(user)) return undefined;
    return (await this.#members.fetch(`${user} ${tenant.id}`))?.role ?? undefined;
  }

  #forget(id: string | undefined): void {
    if (id === undefined) this.#cache.clear();
    for (const [key, { tenant }] of this.#cache.entries()) {
      if (!tenant || tenant.id === id) this.#cache.delete(key);
    }
  }
}

function refWhere(reference: string): { id: string } | { slug: string } {
  return isUuid(reference) ? { id: reference } : { slug: reference };
}
