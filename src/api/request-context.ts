import type { IncomingMessage } from 'node:http';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { YogaInitialContext } from 'graphql-yoga';
import type { Identity, TokenClaims } from '../auth/tokens/tokens.ts';
import type { KnownMembership, KnownTenant } from '../catalog/tenant-directory.ts';
import { sharedConstants } from '../constants/lookup.ts';
import type { Services } from '../installation/services.ts';
import { AppError } from '../lib/errors.ts';
import { memberIn, type TenantMember } from '../routing/permissions.ts';
import { type ResolvedTenant, resolveTenant } from '../routing/resolve-tenant.ts';
import type { TenantLease } from '../routing/tenant-connections.ts';
import { clientAddress } from './client-address.ts';
import type { Context, TenantContext } from './context.ts';
import { AnswerSize } from './limits/answer-size.ts';
import { checkText } from './limits/input-limits.ts';
import { currentRequestId, keepLog } from './plugins/use-request-id.ts';
import type { Owner } from './shares/admission.ts';
import { shareOwnerOf } from './shares/share-owner.ts';

/** A request as the server was given it; one that came through no socket has no `req`. */
export type IncomingRequest = YogaInitialContext & { readonly req?: IncomingMessage };

/** What somebody may do, but for what the tenant's own roles say. */
export interface CurrentAccess {
  readonly isPlatformAdmin: boolean;
  /** In the request's tenant; undefined for someone who is no member, or where it is not asked for. */
  readonly role: string | undefined;
}

/** A request's context, and how its leases end. */
export interface RequestContext extends Context {
  /** Whose share the request uses; undefined for platform admins, who have no limit. */
  readonly shareOwner: Owner | undefined;
  /** Comes when the client goes away before it has been answered. */
  readonly clientGone: AbortSignal;
  /** The request's tenant, if the operation has asked for it. */
  askedTenant(): KnownTenant | undefined;
  /**
   * What the bearer of the request's token may do by now, which can be less than when the request began.
   * @param inTenant whether also the role in the request's tenant is asked for
   * @throws {AppError} UNAUTHENTICATED if it is a user who is not let in any more; and as for a new request, if the tenant is
   *   asked for and not served
   */
  currentAccess(inTenant: boolean): Promise<CurrentAccess>;
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
  const claims = await claimsOf(services, request.headers.get('authorization'));
  const identify = async () => claims && services.authenticator.identify(claims, { address, requestId });
  const resolve = async (identity: Identity | undefined) => {
    const header = request.headers.get('x-tenant') ?? undefined;
    if (header !== undefined) checkText(['x-tenant'], header, MAX_REFERENCE);
    return resolveTenant(services.directory, { identity, host: request.headers.get('host') ?? undefined, header });
  };
  const identity = await identify();
  const resolved = await resolve(identity).catch(later);
  const tenant = resolved && 'tenant' in resolved ? { tenant: resolved.tenant.slug } : {};
  const log = services.log.child({ requestId, ...tenant });
  keepLog(log);
  const lease = new LeaseOnFirstUse(services, resolved, identity);
  return {
    requestId,
    shareOwner: shareOwnerOf(identity, resolved && 'tenant' in resolved ? resolved : undefined, address),
    clientGone: request.signal,
    identity,
    services,
    log,
    answer: new AnswerSize(services.config.graphql),
    signal: () => AbortSignal.any([request.signal, services.stopping]),
    tenant: lease,
    address,
    constants: sharedConstants(services.constants),
    askedTenant: () => lease.asked,
    async currentAccess(inTenant) {
      const now = await identify();
      const place = inTenant ? await resolve(now) : undefined;
      return { isPlatformAdmin: now?.isPlatformAdmin ?? false, role: place?.role };
    },
    release: () => lease.release(),
  };
}

/** Of an id or slug of a tenant, in characters. */
const MAX_REFERENCE = 63;

/** Of a token, in characters: what common proxies pass on in one header. */
const MAX_TOKEN = 8192;

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
    return this.#services.permissions.find(this.row, this.member);
  }

  async permissionsChanged(): Promise<void> {
    await this.#services.permissions.changed(this.row);
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

async function claimsOf({ tokens }: Services, header: string | null): Promise<TokenClaims | undefined> {
  if (!header) return undefined;
  const [scheme, token] = header.split(' ', 2);
  if (scheme?.toLowerCase() !== 'bearer' || !token) {
    throw new AppError('UNAUTHENTICATED', 'The header authorization must be “Bearer <token>”');
  }
  if (token.length > MAX_TOKEN) {
    const message = `The token has ${token.length} characters, and ${MAX_TOKEN} is the limit. Use one with fewer claims.`;
    throw new AppError('UNAUTHENTICATED', message);
  }
  return tokens.verify(token);
}
