import type { IncomingMessage } from 'node:http';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { YogaInitialContext } from 'graphql-yoga';
import type { Origin } from '../accounts/linked-users.ts';
import type { Identity } from '../accounts/tokens.ts';
import type { KnownMembership, KnownTenant } from '../catalog/tenant-directory.ts';
import { sharedConstants } from '../constants/shared-constants.ts';
import { AppError } from '../errors.ts';
import type { Services } from '../services.ts';
import { memberIn, permissionsIn, type TenantMember } from '../tenancy/permissions.ts';
import { type ResolvedTenant, resolveTenant } from '../tenancy/resolve-tenant.ts';
import type { TenantLease } from '../tenancy/tenant-connections.ts';
import { clientAddress } from './client-address.ts';
import type { Context, TenantContext } from './context.ts';
import { currentRequestId, keepLog } from './request-id.ts';

/** A request as the server was given it; one that came through no socket has no `req`. */
export type IncomingRequest = YogaInitialContext & { readonly req?: IncomingMessage };

/** A request's context, and how its leases end. */
export interface RequestContext extends Context {
  /** The request's tenant, if the operation has asked for it. */
  askedTenant(): KnownTenant | undefined;
  /** Ends the lease of the tenant's database, if there is one. */
  release(): Promise<void>;
}

/**
 * Makes the context of a request: verifies the token and finds the tenant. That a tenant cannot be found or is not served
 * is told when something asks for it, for operations on public data need none.
 * @throws {AppError} UNAUTHENTICATED if there is a token and it cannot be verified, or is of a user who is not let in
 */
export async function createRequestContext(services: Services, initial: IncomingRequest): Promise<RequestContext> {
  const { request, req } = initial;
  const requestId = currentRequestId();
  const address = clientAddress(request.headers, req?.socket.remoteAddress, services.config.http.trustedProxies);
  const identity = await identify(services, request.headers.get('authorization'), { address, requestId });
  const resolved = await resolveTenant(services.directory, {
    identity,
    host: request.headers.get('host') ?? undefined,
    header: request.headers.get('x-tenant') ?? undefined,
  }).catch(later);
  const tenant = resolved && 'tenant' in resolved ? { tenant: resolved.tenant.slug } : {};
  const log = services.log.child({ requestId, ...tenant });
  keepLog(log);
  const lease = new LeaseOnFirstUse(services, resolved, identity);
  return {
    requestId,
    identity,
    services,
    log,
    signal: () => AbortSignal.any([request.signal, services.stopping]),
    tenant: lease,
    address,
    constants: sharedConstants(services.constants),
    askedTenant: () => lease.asked,
    release: () => lease.release(),
  };
}

type Resolution = ResolvedTenant | { readonly error: unknown } | undefined;

/** A problem that is thrown when, and only when, somebody needs the tenant. */
function later(error: unknown): { error: unknown } {
  return { error };
}

class LeaseOnFirstUse implements TenantContext {
  readonly #services: Services;
  readonly #resolution: Resolution;
  readonly #identity: Identity | undefined;
  /** The tenant, once somebody has asked for it. */
  asked: KnownTenant | undefined;
  #lease: TenantLease | undefined;
  #permissions: Promise<ReadonlySet<string>> | undefined;

  constructor(services: Services, resolution: Resolution, identity: Identity | undefined) {
    this.#services = services;
    this.#resolution = resolution;
    this.#identity = identity;
  }

  get isNamed(): boolean {
    return this.#resolution !== undefined;
  }

  get row(): KnownTenant {
    return this.#resolved.tenant;
  }

  get role(): string | undefined {
    return this.#resolved.role;
  }

  get member(): TenantMember | undefined {
    return memberIn(this.#resolved, this.#identity);
  }

  get em(): EntityManager {
    this.#lease ??= this.#services.tenants.lease(this.row);
    return this.#lease.em;
  }

  async permissions(): Promise<ReadonlySet<string>> {
    this.#permissions ??= permissionsIn(this.#services, this.row, this.member);
    return this.#permissions;
  }

  async membershipsOf(users: readonly string[]): Promise<ReadonlyMap<string, KnownMembership>> {
    return this.#services.directory.membershipsOf(users, this.row);
  }

  async release(): Promise<void> {
    await this.#lease?.release();
  }

  get #resolved(): ResolvedTenant {
    if (this.#resolution === undefined) {
      throw new AppError(
        'TENANT_REQUIRED',
        'This needs a tenant: use a token whose claim names one, its host name or, as a platform admin, the header x-tenant',
      );
    }
    if ('error' in this.#resolution) throw this.#resolution.error;
    this.asked = this.#resolution.tenant;
    return this.#resolution;
  }
}

async function identify(
  { tokens, identities }: Services,
  header: string | null,
  origin: Origin,
): Promise<Identity | undefined> {
  if (!header) return undefined;
  const [scheme, token] = header.split(' ', 2);
  if (scheme?.toLowerCase() !== 'bearer' || !token) {
    throw new AppError('UNAUTHENTICATED', 'The header authorization must be “Bearer <token>”');
  }
  return identities.identify(await tokens.verify(token), origin);
}
