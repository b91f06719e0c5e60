import { memberRoleOf } from '../auth/tokens/claims.ts';
import type { Identity } from '../auth/tokens/tokens.ts';
import type { MemberRole } from '../catalog/entities/membership.entity.ts';
import type { KnownTenant, TenantDirectory } from '../catalog/tenant-directory.ts';
import { AppError, badInput } from '../lib/errors.ts';
import type { TenantMember } from './permissions.ts';

/** What a request says about its tenant. */
export interface TenantHints {
  readonly identity: Identity | undefined;
  /** The host that was asked for, with or without port. */
  readonly host: string | undefined;
  /** The header `x-tenant`, which platform admins may send. */
  readonly header: string | undefined;
}

/** The tenant of a request, and what the caller is there. */
export interface ResolvedTenant {
  readonly tenant: KnownTenant;
  /** Undefined for somebody who is not a member, such as a visitor of the tenant's host. */
  readonly member: TenantMember | undefined;
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
    return { tenant, member: await memberIn(directory, identity, tenant, roleByClaim(identity)) };
  }
  const atHost = hints.host && (await directory.byHost(hostName(hints.host)));
  if (atHost) {
    await checkHeader(directory, header, atHost, 'the host');
    const tenant = servable(atHost, atHost.slug);
    return { tenant, member: identity && (await memberIn(directory, identity, tenant, roleOfAdmin(identity))) };
  }
  if (header === undefined) return undefined;
  if (!identity?.isPlatformAdmin) {
    throw new AppError('FORBIDDEN', 'Only platform admins may name a tenant with x-tenant');
  }
  const tenant = servable(await directory.byReference(header), header);
  return { tenant, member: { user: undefined, role: 'ADMIN', tokenRoles: [], isPlatformAdmin: true } };
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

/** The role in the token's tenant of somebody without a membership. */
function roleByClaim(identity: Identity): MemberRole | undefined {
  const { isMemberByClaim, role } = identity;
  if (isMemberByClaim && role !== undefined) return role;
  return roleOfAdmin(identity) ?? (isMemberByClaim ? 'MEMBER' : undefined);
}

/** The role in any tenant of a platform admin without a membership. */
function roleOfAdmin({ isPlatformAdmin }: Identity): MemberRole | undefined {
  return isPlatformAdmin ? 'ADMIN' : undefined;
}

/** @param roleWithout the caller's role without a membership; undefined if the caller is no member then */
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
