import type { FilterQuery } from '@mikro-orm/core';
import { WakeUp } from '../lib/retry-loop.ts';
import { TtlCache } from '../lib/ttl-cache.ts';
import { isUuid } from '../lib/uuid.ts';
import type { Listener } from '../postgres/listener.ts';
import type { Catalog } from './catalog.ts';
import { type MemberRole, Membership } from './entities/membership.entity.ts';
import { Tenant } from './entities/tenant.entity.ts';
import { servedStatuses } from './tenant-status.ts';

/** The fields of a tenant that serving needs. An entity would keep its entity manager in memory. */
export type KnownTenant = Readonly<
  Pick<Tenant, 'id' | 'slug' | 'status' | 'isolation' | 'key' | 'server' | 'database' | 'schema'> &
    Partial<Pick<Tenant, 'pauseEndsAt'>>
>;

/** The fields of a membership that serving needs. */
export interface KnownMembership {
  readonly role: MemberRole;
  /** When it began. It distinguishes a new membership from an earlier one. */
  readonly since: Date;
}

/** Finds tenants and memberships for requests. Its cache is invalidated by the catalog's notifications. */
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
   * Calls `handler` with the id of each tenant that changes, after its cache entries are removed, or with undefined if any tenant
   * may have changed. The returned function unsubscribes.
   */
  onChange(handler: (id: string | undefined) => void): () => void {
    // Handlers are called in the order of subscription, so the cache is cleared first.
    return this.#listener.on('tenants', handler);
  }

  /** Resolves when a tenant changes, or after this time in milliseconds. */
  async nextChange(tenant: string, ms: number): Promise<void> {
    const wakeUp = new WakeUp();
    const unsubscribe = this.onChange((id) => {
      if (id === undefined || id === tenant) wakeUp.call();
    });
    await wakeUp.wait(ms);
    unsubscribe();
  }

  /** As {@link onChange}, with the id of each user whose membership in a tenant begins, ends or changes its role. */
  onMembershipChange(handler: (user: string | undefined) => void): () => void {
    return this.#listener.on('memberships', (pair) => handler(pair?.split(' ')[0]));
  }

  /** Returns the ids of those tenants that are no longer served, now or after maintenance. */
  async closedAmong(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const open = await this.#catalog
      .fork()
      .find(Tenant, { id: { $in: [...ids] }, status: { $in: [...servedStatuses] } });
    const known = new Set(open.map(({ id }) => id));
    return new Set(ids.filter((id) => !known.has(id)));
  }

  /** Finds a tenant by id or slug. */
  async byReference(reference: string): Promise<KnownTenant | undefined> {
    if (!/^[a-z0-9-]{3,63}$/i.test(reference)) return undefined;
    return this.#find(`ref:${reference}`, isUuid(reference) ? { id: reference } : { slug: reference });
  }

  /** Finds a tenant by host name, without a port. */
  async byHost(host: string): Promise<KnownTenant | undefined> {
    if (!/^[a-z0-9.-]{1,253}$/.test(host)) return undefined;
    return this.#find(`host:${host}`, { host });
  }

  /**
   * Finds a user's membership in a tenant.
   * @param user the user's id
   */
  async membershipOf(user: string, tenant: KnownTenant): Promise<KnownMembership | undefined> {
    return this.#memberships.find(`${user} ${tenant.id}`, async () => {
      const membership = await this.#catalog.fork().findOne(Membership, { user, tenant: tenant.id });
      return membership && { role: membership.role, since: membership.createdAt };
    });
  }

  /**
   * Finds the current memberships of users in a tenant, by user id, bypassing the cache.
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

/** Copies the fields that serving needs from a tenant, which may be an entity. */
export function knownTenant(tenant: KnownTenant): KnownTenant {
  const { id, slug, status, isolation, key, server, database, schema, pauseEndsAt } = tenant;
  return { id, slug, status, isolation, key, server, database, schema, ...(pauseEndsAt && { pauseEndsAt }) };
}
