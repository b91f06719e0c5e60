import type { FilterQuery } from '@mikro-orm/core';
import { LRUCache } from 'lru-cache';
import { isUuid } from '../is-uuid.ts';
import type { Listener } from '../postgres/listener.ts';
import type { Catalog } from './catalog.ts';
import { type MemberRole, Membership } from './membership.entity.ts';
import { Tenant } from './tenant.entity.ts';

const CACHED = 10_000;
/** How long an answer may be believed when the notification that it has changed is lost, in milliseconds. */
const TTL_MS = 5_000;

/** What serving a tenant needs to know of it. An entity would keep the entity manager that read it in memory. */
export type KnownTenant = Readonly<
  Pick<Tenant, 'id' | 'slug' | 'status' | 'isolation' | 'key' | 'server' | 'database' | 'schema'>
>;

/** An answer that is kept, or one that is still waited for. */
interface Entry {
  readonly answer: Promise<KnownTenant | null>;
  /** Null: there is none; undefined: the answer has not come. */
  tenant: KnownTenant | null | undefined;
}

/** Finds tenants for requests, from memory if it can: the catalog's notifications tell what has changed. */
export class TenantDirectory {
  readonly #catalog: Catalog;
  readonly #cache = new LRUCache<string, Entry>({ max: CACHED, ttl: TTL_MS });
  readonly #members: LRUCache<string, { readonly role: MemberRole | null }>;

  constructor(catalog: Catalog, listener: Listener) {
    this.#catalog = catalog;
    this.#members = new LRUCache({
      max: CACHED,
      ttl: TTL_MS,
      fetchMethod: async (key) => {
        const [user = '', tenant = ''] = key.split(' ');
        const membership = await catalog.fork().findOne(Membership, { user, tenant });
        return { role: membership?.role ?? null };
      },
    });
    listener.on('tenants', (id) => this.#forget(id));
  }

  /** The tenant with this id or slug. */
  async byReference(reference: string): Promise<KnownTenant | undefined> {
    if (!/^[a-z0-9-]{3,63}$/i.test(reference)) return undefined;
    return this.#find(`ref:${reference}`, isUuid(reference) ? { id: reference } : { slug: reference });
  }

  /** The tenant with this host name, which is given without port. */
  async byHost(host: string): Promise<KnownTenant | undefined> {
    if (!/^[a-z0-9.-]{1,253}$/.test(host)) return undefined;
    return this.#find(`host:${host}`, { host });
  }

  /** What a user is in a tenant; undefined if no member. */
  async roleOf(user: string, tenant: KnownTenant): Promise<MemberRole | undefined> {
    if (!isUuid(user)) return undefined;
    return (await this.#members.fetch(`${user} ${tenant.id}`))?.role ?? undefined;
  }

  async #find(key: string, where: FilterQuery<Tenant>): Promise<KnownTenant | undefined> {
    const kept = this.#cache.get(key);
    if (kept) return (await kept.answer) ?? undefined;
    const entry: Entry = { answer: this.#catalog.fork().findOne(Tenant, where).then(known), tenant: undefined };
    this.#cache.set(key, entry);
    try {
      entry.tenant = await entry.answer;
      return entry.tenant ?? undefined;
    } catch (error) {
      if (this.#cache.peek(key) === entry) this.#cache.delete(key);
      throw error;
    }
  }

  /** An answer that is on its way may be older than the change: who waits for it gets it, but it is not kept. */
  #forget(id: string | undefined): void {
    if (id === undefined) this.#cache.clear();
    for (const [key, { tenant }] of this.#cache.entries()) {
      if (!tenant || tenant.id === id) this.#cache.delete(key);
    }
  }
}

function known(tenant: Tenant | null): KnownTenant | null {
  if (!tenant) return null;
  const { id, slug, status, isolation, key, server, database, schema } = tenant;
  return { id, slug, status, isolation, key, server, database, schema };
}
