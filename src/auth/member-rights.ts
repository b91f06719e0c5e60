import type pg from 'pg';
import type { MemberRole } from '../catalog/entities/membership.entity.ts';
import { statusSql } from '../catalog/steps.ts';
import { deletedStatuses } from '../catalog/tenant-status.ts';
import { AppError } from '../lib/errors.ts';
import { isUuid } from '../lib/uuid.ts';
import { inTransaction } from '../postgres/sql/transaction.ts';
import type { Identity } from './tokens/tokens.ts';

/** A tenant whose memberships are read or changed. */
export interface TenantRow {
  readonly id: string;
  readonly slug: string;
}

/** The caller's rights in a tenant. Platform admins have those of owners. */
export type Rights = MemberRole;

/**
 * Works on a tenant's memberships while holding a lock on the tenant, so that changes are serialized: if the last two
 * owners remove each other, the second attempt is refused. To callers who don't belong to the tenant it does not exist.
 * @param reference the tenant's id or slug
 * @throws {AppError} NOT_FOUND if the caller has no rights in such a tenant; and what `work` throws
 */
export async function asMember<T>(
  client: pg.Client,
  identity: Identity,
  reference: string,
  work: (tenant: TenantRow, rights: Rights) => Promise<T>,
): Promise<T> {
  return inTransaction(client, async () => {
    const { tenant, rights } = await findAsMember(client, identity, reference, 'FOR NO KEY UPDATE');
    return work(tenant, rights);
  });
}

/**
 * Returns the tenant and the caller's rights in it.
 * @param lock the locking clause of the statement, if any
 * @throws {AppError} NOT_FOUND like {@link asMember}
 */
export async function findAsMember(
  client: pg.Client,
  identity: Identity,
  reference: string,
  lock: 'FOR NO KEY UPDATE' | '' = '',
): Promise<{ readonly tenant: TenantRow; readonly rights: Rights }> {
  // For its members, a deleted tenant does not exist.
  const kept = identity.isPlatformAdmin ? '' : `AND NOT ${statusSql(deletedStatuses)}`;
  const { rows } = await client.query<TenantRow>(
    `SELECT id, slug FROM tenants WHERE ${isUuid(reference) ? 'id' : 'slug'} = $1 ${kept} ${lock}`,
    [reference],
  );
  const [tenant] = rows;
  const rights = tenant && (await rightsIn(client, identity, tenant));
  if (!tenant || !rights) throw new AppError('NOT_FOUND', `There is no tenant ${reference} that you belong to`);
  return { tenant, rights };
}

/** Returns the caller's rights in a tenant; undefined for callers who don't belong to it. */
export async function rightsIn(client: pg.Client, identity: Identity, tenant: TenantRow): Promise<Rights | undefined> {
  if (identity.isPlatformAdmin) return 'OWNER';
  const own = identity.user && (await roleOf(client, tenant, identity.user.id));
  if (own || !identity.isMemberByClaim) return own;
  if (identity.tenant !== tenant.id && identity.tenant !== tenant.slug) return undefined;
  return identity.role === 'OWNER' || identity.role === 'ADMIN' ? identity.role : 'MEMBER';
}

/** A user's role in a tenant; undefined if the user is not a member. */
export async function roleOf(client: pg.Client, tenant: TenantRow, user: string): Promise<MemberRole | undefined> {
  if (!isUuid(user)) return undefined;
  const { rows } = await client.query<{ role: MemberRole }>(
    'SELECT role FROM memberships WHERE tenant_id = $1 AND user_id = $2',
    [tenant.id, user],
  );
  return rows[0]?.role;
}

/**
 * Checks that admins only manage members and admins: only owners manage owners.
 * @param roles the roles that are granted or removed
 * @throws {AppError} FORBIDDEN
 */
export function mayChange(rights: Rights, ...roles: readonly (MemberRole | undefined)[]): void {
  if (rights === 'OWNER') return;
  if (rights === 'MEMBER') throw new AppError('FORBIDDEN', 'Only owners and admins of the tenant may do this');
  if (roles.includes('OWNER')) throw new AppError('FORBIDDEN', 'Only an owner may add or remove owners');
}
