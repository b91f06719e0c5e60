import type { IncomingMessage } from 'node:http';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { Identity, TokenClaims } from '../auth/tokens/tokens.ts';
import type { KnownMembership, KnownTenant } from '../catalog/tenant-directory.ts';
import { sharedConstants } from '../constants/lookup.ts';
import type { Services } from '../installation/services.ts';
import { AppError } from '../lib/errors.ts';
import type { TenantMember } from '../routing/permissions.ts';
import { type ResolvedTenant, resolveTenant } from '../routing/resolve-tenant.ts';
import type { TenantLease } from '../routing/tenant-connections.ts';
import type { TenantStatement } from '../routing/tenant-statement.ts';
import { currentRequest } from '../telemetry/request-record.ts';
import { inSpan } from '../telemetry/tracing.ts';
import { clientAddress } from './client-address.ts';
import type { Context, TenantContext } from './context.ts';
import { AnswerSize } from './limits/answer-size.ts';
import { checkText } from './limits/input-limits.ts';
import { currentRequestId, type HeaderReader, traceField } from './request-log.ts';
import type { Owner } from './shares/admission.ts';
import { shareOwnerOf } from './shares/share-owner.ts';

/** A request as the server received it; `req` is undefined if it did not arrive over a socket. */
export interface IncomingRequest {
  readonly request: { readonly headers: HeaderReader; readonly signal: AbortSignal };
  readonly req?: IncomingMessage;
}

/** A request whose body and URL can be read too. */
export interface FetchedRequest extends IncomingRequest {
  readonly request: Request;
}

/** The context of a request, with the means to release its leases. */
export interface RequestContext extends Context {
  /** The owner of the share that the request uses; undefined for platform admins, who have no limit. */
  readonly shareOwner: Owner | undefined;
  /** Aborted when the client disconnects before the response is complete. */
  readonly clientGone: AbortSignal;
  /** The request's tenant, if the operation has used it. */
  askedTenant(): KnownTenant | undefined;
  /**
   * The caller, who may have fewer rights now than when the request began.
   * @throws {AppError} UNAUTHENTICATED if the user may no longer sign in
   */
  callerNow(): Promise<Identity | undefined>;
  /**
   * What a caller is in the request's tenant now; undefined for non-members.
   * @throws {AppError} the same errors as for a new request
   */
  memberNow(caller: Identity | undefined): Promise<TenantMember | undefined>;
  /** Releases the tenant's database if it was leased. */
  release(): Promise<void>;
}

/**
 * Creates the context of a request: verifies the token and finds the tenant. If the tenant cannot be found or is not
 * served, that error is thrown only when the tenant is used, because operations on public data don't need one.
 * @throws {AppError} UNAUTHENTICATED if the token cannot be verified or its user may not sign in
 */
export async function createRequestContext(services: Services, initial: IncomingRequest): Promise<RequestContext> {
  const { request, req } = initial;
  const requestId = currentRequestId();
  const address = clientAddress(request.headers, req?.socket.remoteAddress, services.config.http.trustedProxies);
  const record = currentRequest();
  const claims = await inSpan('token', {}, () => claimsOf(services, request.headers.get('authorization')));
  const identify = async () => claims && services.authenticator.identify(claims, { address, requestId });
  const resolve = async (identity: Identity | undefined) => {
    const header = request.headers.get('x-tenant') ?? undefined;
    if (header !== undefined) checkText(['x-tenant'], header, MAX_REFERENCE);
    return resolveTenant(services.directory, { identity, host: request.headers.get('host') ?? undefined, header });
  };
  const identity = await inSpan('caller', {}, identify);
  const resolved = await inSpan('tenant', {}, () => resolve(identity)).catch(deferred);
  const known = resolved && 'tenant' in resolved ? resolved : undefined;
  const tenant = known ? { tenant: known.tenant.slug } : {};
  const log = services.log.child({ requestId, ...traceField(record), ...tenant });
  if (record) {
    record.log = log;
    record.tenant = known?.tenant;
    record.user = identity?.user?.id ?? identity?.subject;
    record.isAuthenticated = identity !== undefined;
  }
  const lease = new LeaseOnFirstUse(services, resolved);
  return {
    requestId,
    shareOwner: shareOwnerOf(identity, known, address),
    clientGone: request.signal,
    identity,
    services,
    moduleServices: services.moduleServices,
    log,
    answer: new AnswerSize(services.config.graphql),
    signal: () => AbortSignal.any([request.signal, services.stopping]),
    tenant: lease,
    address,
    constants: sharedConstants(services.constants),
    askedTenant: () => lease.asked,
    callerNow: identify,
    memberNow: async (caller) => (await resolve(caller))?.member,
    release: () => lease.release(),
  };
}

/** The maximum length of a tenant's id or slug, in characters. */
const MAX_REFERENCE = 63;

/** The maximum length of a token, in characters: what common proxies accept in one header. */
const MAX_TOKEN = 8192;

type Resolution = ResolvedTenant | { readonly error: unknown } | undefined;

/** An error that is thrown only if the tenant is used. */
function deferred(error: unknown): { error: unknown } {
  return { error };
}

class LeaseOnFirstUse implements TenantContext {
  readonly #services: Services;
  readonly #resolution: Resolution;
  /** The tenant, once it has been used. */
  asked: KnownTenant | undefined;
  #lease: TenantLease | undefined;

  constructor(services: Services, resolution: Resolution) {
    this.#services = services;
    this.#resolution = resolution;
  }

  get isNamed(): boolean {
    return this.#resolution !== undefined;
  }

  get row(): KnownTenant {
    return this.#resolved.tenant;
  }

  get role(): string | undefined {
    return this.member?.role;
  }

  get member(): TenantMember | undefined {
    return this.#resolved.member;
  }

  get em(): EntityManager {
    return this.#leased.em;
  }

  read(statement: TenantStatement): Promise<string | null> {
    return this.#leased.read(statement);
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

  get #leased(): TenantLease {
    this.#lease ??= this.#services.tenants.lease(this.row);
    return this.#lease;
  }

  get #resolved(): ResolvedTenant {
    if (this.#resolution === undefined) {
      throw new AppError(
        'TENANT_REQUIRED',
        "This request needs a tenant: use a token that names one, the tenant's host name or, as a platform admin, the header x-tenant",
      );
    }
    if ('error' in this.#resolution) throw this.#resolution.error;
    this.asked = this.#resolution.tenant;
    return this.#resolution;
  }
}

async function claimsOf({ tokens }: Services, header: string | null): Promise<TokenClaims | undefined> {
  if (!header) return undefined;
  // HTTP allows several spaces. https://www.rfc-editor.org/rfc/rfc9110#section-11.4
  const token = /^bearer +([^ ]+) *$/i.exec(header)?.[1];
  if (token === undefined) {
    throw new AppError('UNAUTHENTICATED', 'The header authorization must be “Bearer <token>”');
  }
  if (token.length > MAX_TOKEN) {
    const message = `The token has ${token.length} characters; the limit is ${MAX_TOKEN}. Use one with fewer claims.`;
    throw new AppError('UNAUTHENTICATED', message);
  }
  return tokens.verify(token);
}
