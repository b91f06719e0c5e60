import type { Identity } from '../auth/tokens/tokens.ts';
import type { KnownTenant, TenantDirectory } from '../catalog/tenant-directory.ts';
import { AppError, badInput } from '../lib/errors.ts';

/** What a request says about its tenant. */
export interface TenantHints {
  readonly identity: Identity | undefined;
  /** The host that was asked for, with or without port. */
  readonly host: string | undefined;
  /** The header `x-tenant`, which platform admins may send. */
  readonly header: string | undefined;
}

/** What a caller is in a tenant. */
interface TenantRole {
  /** Undefined for someone who is no member, such as a visitor of its host. */
  readonly role: string | undefined;
  /** When the membership began; undefined where the role is of no membership, but of a token or of a platform admin. */
  readonly since?: Date | undefined;
  /** Roles that the token claims in the tenant that it names, if it is believed. */
  readonly tokenRoles?: readonly string[];
}

/** The tenant of a request, and what the caller is in it. */
export interface ResolvedTenant extends TenantRole {
  readonly tenant: KnownTenant;
}

/**
 * Finds the tenant of a request: the one that the token's claim names, else the one whose host was asked for, else the one
 * that a platform admin's header names.
 * @returns undefined if the request names no tenant, which operations on public data need not
 * @throws {AppError} TENANT_NOT_FOUND, TENANT_SUSPENDED, TENANT_BUSY, FORBIDDEN, or BAD_USER_INPUT if the header names
 *   another tenant than what goes before it
 */
export async function resolveTenant(
  directory: TenantDirectory,
  hints: TenantHints,
): Promise<ResolvedTenant | undefined> {
  const { identity, header } = hints;
  if (identity?.tenant !== undefined) {
    const tenant = servable(await directory.byReference(identity.tenant), identity.tenant);
    await checkHeader(directory, header, tenant, 'the token');
    const own = identity.user && (await directory.membershipOf(identity.user.id, tenant));
    return {
      tenant,
      ...(own ?? { role: roleByClaim(identity) }),
      tokenRoles: identity.isMemberByClaim ? identity.roles : [],
    };
  }
  const atHost = hints.host && (await directory.byHost(hostName(hints.host)));
  if (atHost) {
    await checkHeader(directory, header, atHost, 'the host');
    return { tenant: servable(atHost, atHost.slug), ...(await roleAt(directory, identity, atHost)) };
  }
  if (header === undefined) return undefined;
  if (!identity?.isPlatformAdmin) {
    throw new AppError('FORBIDDEN', 'Only platform admins may name a tenant with x-tenant');
  }
  return { tenant: servable(await directory.byReference(header), header), role: 'ADMIN' };
}

/** Whoever sends the header means to see its tenant, and must not be shown, or write to, another one. */
async function checkHeader(
  directory: TenantDirectory,
  header: string | undefined,
  { id, slug }: KnownTenant,
  source: string,
): Promise<void> {
  if (header === undefined || (await directory.byReference(header))?.id === id) return;
  throw badInput(
    'x-tenant',
    `The header x-tenant names another tenant than ${source}, which is for ${slug}: send one of them`,
  );
}

/** What somebody without a membership is in the token's tenant. */
function roleByClaim({ isMemberByClaim, isPlatformAdmin, role }: Identity): string | undefined {
  if (isMemberByClaim && role !== undefined) return role;
  if (isPlatformAdmin) return 'ADMIN';
  return isMemberByClaim ? 'MEMBER' : undefined;
}

/** What the caller is in a tenant, whatever the token claims. */
async function roleAt(
  directory: TenantDirectory,
  identity: Identity | undefined,
  tenant: KnownTenant,
): Promise<TenantRole> {
  const membership = identity?.user && (await directory.membershipOf(identity.user.id, tenant));
  return membership ?? { role: identity?.isPlatformAdmin ? 'ADMIN' : undefined };
}

/** What a request gets while its tenant's database is made, copied or replaced. */
export function tenantBusy(slug: string, cause?: unknown): AppError {
  return new AppError('TENANT_BUSY', `The tenant ${slug} is being worked on. Try again in a moment.`, {
    cause,
    details: { retryAfterMs: 1000 },
  });
}

/** What a request gets whose tenant an operator has to look after first. */
export function tenantSuspended(slug: string, cause?: unknown): AppError {
  return new AppError('TENANT_SUSPENDED', `The tenant ${slug} is not served at present`, { cause });
}

/**
 * The tenant, if requests to it are served.
 * @param reference what it was asked for by
 * @throws {AppError} TENANT_NOT_FOUND, TENANT_SUSPENDED or TENANT_BUSY
 */
export function servable(tenant: KnownTenant | undefined, reference: string): KnownTenant {
  switch (tenant?.status) {
    case 'ACTIVE':
      return tenant;
    case 'PROVISIONING':
    case 'MAINTENANCE':
      throw tenantBusy(tenant.slug);
    case 'SUSPENDED':
    case 'NEEDS_ATTENTION':
      throw tenantSuspended(tenant.slug);
    default:
      throw new AppError('TENANT_NOT_FOUND', `There is no tenant ${reference}`);
  }
}

/** The name alone: without port, which may be empty, and without the dot that may end a full one. */
function hostName(host: string): string {
  return host.toLowerCase().replace(/\.?(:\d*)?$/, '');
}
