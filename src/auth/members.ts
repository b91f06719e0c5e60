import type pg from 'pg';
import type { Catalog } from '../catalog/catalog.ts';
import { type MemberRole, Membership, memberRoles } from '../catalog/entities/membership.entity.ts';
import { AppError } from '../lib/errors.ts';
import { deleteInvitation, deleteInvitationsBy } from './invitations.ts';
import { asMember, mayChange, type Rights, roleOf, type TenantRow } from './member-rights.ts';
import { sameAddress } from './same-address.ts';
import type { Identity } from './tokens/tokens.ts';

/** Identifies a membership and the caller. */
export interface MemberTarget {
  readonly identity: Identity;
  /** The tenant's id or slug. */
  readonly tenant: string;
  /** The user's id. */
  readonly user: string;
}

/**
 * Makes the owner of an account a member of a tenant without asking them. Only for platform admins; others send an
 * invitation.
 * @throws {AppError} NOT_FOUND if there is no such tenant or account, FORBIDDEN, or CONFLICT if they are already a
 *   member
 */
export async function addMember(
  catalog: Catalog,
  { identity, tenant, email, role }: Omit<MemberTarget, 'user'> & { readonly email: string; readonly role: MemberRole },
): Promise<Membership> {
  return changing(catalog, identity, tenant, async (client, { id, slug }) => {
    if (!identity.isPlatformAdmin) throw new AppError('FORBIDDEN', 'Only platform admins add members without asking');
    const { rows } = await client.query<{ id: string }>(
      `SELECT id FROM users WHERE ${sameAddress('email')} = ${sameAddress('$1')} AND active`,
      [email.trim()],
    );
    if (!rows[0]) {
      throw new AppError(
        'NOT_FOUND',
        `There is no account with the address ${email}. Its owner must register first, or sign in with the identity provider.`,
      );
    }
    const { rowCount } = await client.query(
      'INSERT INTO memberships (user_id, tenant_id, role) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
      [rows[0].id, id, role],
    );
    if (rowCount === 0) throw new AppError('CONFLICT', `${email} is already a member of ${slug}`);
    await deleteInvitation(client, id, email);
    return rows[0].id;
  });
}

/**
 * Changes the role of a member.
 * @throws {AppError} NOT_FOUND, FORBIDDEN, or CONFLICT if the tenant would have no owner left
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
    if (memberRoles.indexOf(role) > memberRoles.indexOf(before)) await deleteInvitationsBy(client, row.id, user);
    return user;
  });
}

/**
 * Ends a membership; members can always end their own.
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
      await deleteInvitationsBy(client, row.id, user);
      return true;
    }),
  );
}

/** Changes a membership and returns it; `change` returns the user's id. */
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

async function mustHaveAnotherOwner(client: pg.Client, { id, slug }: TenantRow): Promise<void> {
  const { rowCount } = await client.query(`SELECT FROM memberships WHERE tenant_id = $1 AND role = 'OWNER' LIMIT 2`, [
    id,
  ]);
  if (rowCount === 2) return;
  throw new AppError(
    'CONFLICT',
    `The user is the last owner of ${slug}. Make another member an owner first, with the mutation setMemberRole, or delete the tenant with \`tenantry tenant delete ${slug}\` or the mutation deleteTenant.`,
  );
}
