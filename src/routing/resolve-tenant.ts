import { memberRoleOf } from '../auth/tokens/claims.ts';
import type { Identity } from '../auth/tokens/tokens.ts';
import type { MemberRole } from '../catalog/entities/membership.entity.ts';
import type { KnownTenant, TenantDirectory } from '../catalog/tenant-directory.ts';
import { AppError, badInput } from '../lib/errors.ts';
import { findAfterPause } from './await-pause.ts';
import type { TenantMember } from './permissions.ts';

/** The parts of a request that can name its tenant. */
export interface TenantHints {
  readonly identity: Identity | undefined;
  /** The requested host, with or without a port. */
  readonly host: string | undefined;
  /** The header `x-tenant`, which platform admins may send. */
  readonly header: string | undefined;
}

/** The tenant of a request, and the caller as its member. */
export interface ResolvedTenant {
  readonly tenant: KnownTenant;
  /** Undefined for somebody who is not a member, such as a visitor of the tenant's host. */
  readonly member: TenantMember | undefined;
}

/**
 * Resolves the tenant of a request from the token's claim, otherwise from the host, otherwise from a platform admin's header.
 * @returns undefined if the request names no tenant; operations on public data don't need one
 * @throws {AppError} TENANT_NOT_FOUND, TENANT_SUSPENDED, TENANT_BUSY, FORBIDDEN, or BAD_USER_INPUT if the header contradicts
 *   the token or the host
 */
export async function resolveTenant(
  directory: TenantDirectory,
  hints: TenantHints,
): Promise<ResolvedTenant | undefined> {
  const { identity, header } = hints;
  if (identity?.tenant !== undefined) {
    const reference = identity.tenant;
    const found = await findAfterPause(directory, () => directory.byReference(reference));
    const tenant = servable(found, reference);
    await checkHeader(directory, header, tenant, 'the token');
    return { tenant, member: await memberIn(directory, identity, tenant, roleByClaim(identity)) };
  }
  const host = hints.host && hostName(hints.host);
  const atHost = host ? await findAfterPause(directory, () => directory.byHost(host)) : undefined;
  if (atHost) {
    await checkHeader(directory, header, atHost, 'the host');
    const tenant = servable(atHost, atHost.slug);
    return { tenant, member: identity && (await memberIn(directory, identity, tenant, roleOfAdmin(identity))) };
  }
  if (header === undefined) return undefined;
  if (!identity?.isPlatformAdmin) {
    throw new AppError('FORBIDDEN', 'Only platform admins may name a tenant with x-tenant');
  }
  const tenant = servable(await findAfterPause(directory, () => directory.byReference(header)), header);
  return { tenant, member: { user: undefined, role: 'ADMIN', tokenRoles: [], isPlatformAdmin: true } };
}

/** A caller who sends the header expects its tenant, and must not read or write another one. */
async function checkHeader(
  directory: TenantDirectory,
  header: string | undefined,
  { id, slug }: KnownTenant,
  source: string,
): Promise<void> {
  if (header === undefined || (await directory.byReference(header))?.id === id) return;
  throw badInput(
    'x-tenant',
    `The header x-tenant and ${source} name different tenants: ${source} names ${slug}. Send only one of them.`,
  );
}

/** The role of a caller without a membership in the token's tenant. */
function roleByClaim(identity: Identity): MemberRole | undefined {
  const { isMemberByClaim, role } = identity;
  if (isMemberByClaim && role !== undefined) return role;
  return roleOfAdmin(identity) ?? (isMemberByClaim ? 'MEMBER' : undefined);
}

/** The role of a platform admin without a membership in any tenant. */
function roleOfAdmin({ isPlatformAdmin }: Identity): MemberRole | undefined {
  return isPlatformAdmin ? 'ADMIN' : undefined;
}

/** @param roleWithout the role if the caller has no membership; undefined if the caller is then not a member */
async function memberIn(
  directory: TenantDirectory,
  { user, isPlatformAdmin, isMemberByClaim, roles, tenant: named }: Identity,
  tenant: KnownTenant,
  roleWithout: MemberRole | undefined,
): Promise<TenantMember | undefined> {
  const membership = user && (await directory.membershipOf(user.id, tenant));
  const role = membership?.role ?? roleWithout;
  if (role === undefined) return undefined;
  // A token's roles are those in the tenant that it names, which is this one if it names any.
  const tokenRoles = isMemberByClaim && named !== undefined ? roles.filter((name) => !memberRoleOf([name])) : [];
  return { user: membership && { id: user.id, since: membership.since }, role, tokenRoles, isPlatformAdmin };
}

/** The error for requests while the tenant's database is created, copied or replaced. */
export function tenantBusy(slug: string, cause?: unknown): AppError {
  return new AppError('TENANT_BUSY', `The tenant ${slug} is in maintenance. Try again in a moment.`, {
    cause,
    details: { retryAfterMs: 1000 },
  });
}

/** The error for requests to a tenant that is suspended or needs an operator's attention. */
export function tenantSuspended(slug: string, cause?: unknown): AppError {
  return new AppError('TENANT_SUSPENDED', `The tenant ${slug} is not available at present`, { cause });
}

/**
 * Returns the tenant if its requests are served.
 * @param reference the id, slug or host by which it was looked up, for messages
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

/** Strips the port, which may be empty, and a trailing dot. */
function hostName(host: string): string {
  return host.toLowerCase().replace(/\.?(:\d*)?$/, '');
}
