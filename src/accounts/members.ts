import type pg from 'pg';
import type { Catalog } from '../catalog/catalog.ts';
import { type MemberRole, Membership } from '../catalog/membership.entity.ts';
import { AppError } from '../errors.ts';
import { isUuid } from '../is-uuid.ts';
import { inTransaction } from '../postgres/transaction.ts';
import type { Identity } from './tokens.ts';

/** Whose membership, and who asks. */
export interface MemberTarget {
  readonly identity: Identity;
  /** The tenant's id or slug. */
  readonly tenant: string;
  /** The user's id. */
  readonly user: string;
}

interface TenantRow {
  readonly id: string;
  readonly slug: string;
}

/** What the caller may do: platform admins as much as owners. */
type Rights = 'MEMBER' | 'ADMIN' | 'OWNER';

/**
 * Makes somebody who has an account a member of a tenant.
 * @throws {AppError} NOT_FOUND if there is no such tenant or account, FORBIDDEN, or CONFLICT if it is a member already
 */
export async function addMember(
  catalog: Catalog,
  { identity, tenant, email, role }: Omit<MemberTarget, 'user'> & { readonly email: string; readonly role: MemberRole },
): Promise<Membership> {
  return changing(catalog, identity, tenant, async (client, { id, slug }, rights) => {
    mayChange(rights, role);
    const { rows } = await client.query<{ id: string }>(
      'SELECT id FROM users WHERE lower(email) = lower($1) AND active',
      [email.trim()],
    );
    if (!rows[0]) {
      throw new AppError(
        'NOT_FOUND',
        `There is no account with the address ${email}. Its owner has to register or, at an identity provider, sign in first.`,
      );
    }
    const { rowCount } = await client.query(
      'INSERT INTO memberships (user_id, tenant_id, role) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
      [rows[0].id, id, role],
    );
    if (rowCount === 0) throw new AppError('CONFLICT', `${email} is a member of ${slug} already`);
    return rows[0].id;
  });
}

/**
 * Gives a member another role.
 * @throws {AppError} NOT_FOUND, FORBIDDEN, or CONFLICT if the tenant would have no owner any more
 */
export async function setMemberRole(
  catalog: Catalog,
  { identity, tenant, user, role }: MemberTarget & { readonly role: MemberRole },
): Promise<Membership> {
  return changing(catalog, identity, tenant, async (client, row, rights) => {
    const before = await roleOf(client, row, user);
    mayChange(rights, role, before);
    if (!before) throw new AppError('NOT_FOUND', `There is no member ${user} of ${row.slug}`);
    if (before === 'OWNER' && role !== 'OWNER') await mustHaveAnotherOwner(client, row);
    await client.query('UPDATE memberships SET role = $3 WHERE tenant_id = $1 AND user_id = $2', [row.id, user, role]);
    return user;
  });
}

/**
 * Ends a membership; everybody may end their own.
 * @returns false if there is no such member
 * @throws {AppError} NOT_FOUND if there is no such tenant, FORBIDDEN, or CONFLICT for the last owner
 */
export async function removeMember(catalog: Catalog, { identity, tenant, user }: MemberTarget): Promise<boolean> {
  return catalog.use((client) =>
    asMember(client, identity, tenant, async (row, rights) => {
      const before = await roleOf(client, row, user);
      if (identity.user?.id !== user.toLowerCase()) mayChange(rights, before);
      if (!before) return false;
      if (before === 'OWNER') await mustHaveAnotherOwner(client, row);
      await client.query('DELETE FROM memberships WHERE tenant_id = $1 AND user_id = $2', [row.id, user]);
      return true;
    }),
  );
}

/** Changes a membership and gives it as it is then; `change` tells whose it is. */
async function changing(
  catalog: Catalog,
  identity: Identity,
  reference: string,
  change: (client: pg.Client, tenant: TenantRow, rights: Rights) => Promise<string>,
): Promise<Membership> {
  const key = await catalog.use((client) =>
    asMember(client, identity, reference, async (tenant, rights) => ({
      user: await change(client, tenant, rights),
      tenant: tenant.id,
    })),
  );
  return catalog.fork().findOneOrFail(Membership, key);
}

/**
 * Under a lock on the tenant, so that of its memberships one change at a time is made: of two last owners who remove each
 * other, the second is told that there is no other. To whom the tenant is none of their business, it does not exist.
 */
async function asMember<T>(
  client: pg.Client,
  identity: Identity,
  reference: string,
  work: (tenant: TenantRow, rights: Rights) => Promise<T>,
): Promise<T> {
  return inTransaction(client, async () => {
    const { rows } = await client.query<TenantRow>(
      `SELECT id, slug FROM tenants WHERE ${isUuid(reference) ? 'id' : 'slug'} = $1 FOR NO KEY UPDATE`,
      [reference],
    );
    const rights = rows[0] && (await rightsIn(client, identity, rows[0]));
    if (!rows[0] || !rights) throw new AppError('NOT_FOUND', `There is no tenant ${reference} that you belong to`);
    return work(rows[0], rights);
  });
}

async function rightsIn(client: pg.Client, identity: Identity, tenant: TenantRow): Promise<Rights | undefined> {
  if (identity.isPlatformAdmin) return 'OWNER';
  const own = identity.user && (await roleOf(client, tenant, identity.user.id));
  if (own || !identity.isMemberByClaim) return own;
  if (identity.tenant !== tenant.id && identity.tenant !== tenant.slug) return undefined;
  return identity.role === 'OWNER' || identity.role === 'ADMIN' ? identity.role : 'MEMBER';
}

async function roleOf(client: pg.Client, tenant: TenantRow, user: string): Promise<MemberRole | undefined> {
  if (!isUuid(user)) return undefined;
  const { rows } = await client.query<{ role: MemberRole }>(
    'SELECT role FROM memberships WHERE tenant_id = $1 AND user_id = $2',
    [tenant.id, user],
  );
  return rows[0]?.role;
}

/** Admins do with members and admins as they like; what has to do with an owner is for owners. */
function mayChange(rights: Rights, ...roles: readonly (MemberRole | undefined)[]): void {
  if (rights === 'OWNER') return;
  if (rights === 'MEMBER') throw new AppError('FORBIDDEN', 'Only owners and admins of the tenant may do this');
  if (roles.includes('OWNER')) throw new AppError('FORBIDDEN', 'Only an owner may make or unmake owners');
}

async function mustHaveAnotherOwner(client: pg.Client, { id, slug }: TenantRow): Promise<void> {
  const { rowCount } = await client.query(`SELECT FROM memberships WHERE tenant_id = $1 AND role = 'OWNER' LIMIT 2`, [
    id,
  ]);
  if (rowCount === 2) return;
  throw new AppError('CONFLICT', `This is the last owner of ${slug}. Make somebody else an owner first.`);
}
