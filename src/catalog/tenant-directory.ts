import type { FilterQuery } from '@mikro-orm/core';
import { TtlCache } from '../lib/ttl-cache.ts';
import { isUuid } from '../lib/uuid.ts';
import type { Listener } from '../postgres/listener.ts';
import type { Catalog } from './catalog.ts';
import { type MemberRole, Membership } from './entities/membership.entity.ts';
import { Tenant } from './entities/tenant.entity.ts';
import { servedStatuses } from './tenant-status.ts';

/** What serving a tenant needs to know of it. An entity would keep the entity manager that read it in memory. */
export type KnownTenant = Readonly<
  Pick<Tenant, 'id' | 'slug' | 'status' | 'isolation' | 'key' | 'server' | 'database' | 'schema'>
>;

/** What serving a member needs to know of the membership. */
export interface KnownMembership {
  readonly role: MemberRole;
  /** When it began; one that is ended and made anew is another one. */
  readonly since: Date;
}

/** Finds tenants for requests, from memory if it can: the catalog's notifications tell what has changed. */
export class TenantDirectory {
  readonly #catalog: Catalog;
  readonly #listener: Listener;
  readonly #tenants = new TtlCache<KnownTenant>();
  readonly #memberships = new TtlCache<KnownMembership>();

  constructor(catalog: Catalog, listener: Listener) {
    this.#catalog = catalog;
    this.#listener = listener;
    listener.on('tenants', (id) =>
      this.#tenants.forget((_key, tenant) => id === undefined || !tenant || tenant.id === id),
    );
    listener.on('memberships', (pair) => this.#memberships.forget((key) => pair === undefined || key === pair));
  }

  /**
   * Calls `handler` with the id of each tenant that changes, when what was known of it is forgotten, or with undefined when any
   * may have changed, until the returned function is called.
   */
  onChange(handler: (id: string | undefined) => void): () => void {
    // Handlers are called in the order in which they came, and the one that forgets came first.
    return this.#listener.on('tenants', handler);
  }

  /** As {@link onChange}, with the id of each user who becomes a member of a tenant, is none any more, or has another role. */
  onMembershipChange(handler: (user: string | undefined) => void): () => void {
    return this.#listener.on('memberships', (pair) => handler(pair?.split(' ')[0]));
  }

  /** Those of some tenants, by their ids, that no request is served of, now or when work on them has ended. */
  async closedAmong(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const open = await this.#catalog
      .fork()
      .find(Tenant, { id: { $in: [...ids] }, status: { $in: [...servedStatuses] } });
    const known = new Set(open.map(({ id }) => id));
    return new Set(ids.filter((id) => !known.has(id)));
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

  /**
   * What a user is in a tenant; undefined if no member.
   * @param user the id of a user
   */
  async membershipOf(user: string, tenant: KnownTenant): Promise<KnownMembership | undefined> {
    return this.#memberships.find(`${user} ${tenant.id}`, async () => {
      const membership = await this.#catalog.fork().findOne(Membership, { user, tenant: tenant.id });
      return membership && { role: membership.role, since: membership.createdAt };
    });
  }

  /**
   * Those of some users who are members of a tenant, as they are now, by their ids.
   * @param users ids of users
   */
  async membershipsOf(users: readonly string[], tenant: KnownTenant): Promise<ReadonlyMap<string, KnownMembership>> {
    const found = await this.#catalog.fork().find(Membership, { user: { $in: [...users] }, tenant: tenant.id });
    return new Map(found.map(({ user, role, createdAt }) => [user.id, { role, since: createdAt }]));
  }

  #find(key: string, where: FilterQuery<Tenant>): Promise<KnownTenant | undefined> {
    return this.#tenants.find(key, async () => {
      const tenant = await this.#catalog.fork().findOne(Tenant, where);
      return tenant && knownTenant(tenant);
    });
  }
}

/** What is worth keeping of a tenant that may be an entity. */
export function knownTenant({ id, slug, status, isolation, key, server, database, schema }: KnownTenant): KnownTenant {
  return { id, slug, status, isolation, key, server, database, schema };
}
