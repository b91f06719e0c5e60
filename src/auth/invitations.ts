import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import type { Catalog } from '../catalog/catalog.ts';
import type { MemberRole } from '../catalog/entities/membership.entity.ts';
import { AppError } from '../lib/errors.ts';
import { validInput } from '../lib/input.ts';
import { isUuid } from '../lib/uuid.ts';
import { type Invitation, type InvitationRow, invitationOf, selectInvitations } from './invitation-entity.ts';
import { asMember, findAsMember, mayChange, rightsIn, type TenantRow } from './member-rights.ts';
import { sameAddress } from './same-address.ts';
import type { Identity } from './tokens/tokens.ts';
import { emailSchema } from './users.ts';

/** The lifetime of an invitation, in days. */
const LIFETIME_DAYS = 14;

/** The maximum number of pending invitations of a tenant. */
export const MAX_PENDING = 100;

/** Who invites whom, to which tenant. */
export interface NewInvitation {
  readonly identity: Identity;
  /** The tenant's id or slug. */
  readonly tenant: string;
  readonly email: string;
  readonly role: MemberRole;
}

/**
 * Invites somebody to become a member of a tenant. It does not reveal whether the address has an account: result and
 * work are the same in both cases. A second invitation to the same address renews the first.
 * @throws {AppError} BAD_USER_INPUT, NOT_FOUND if there is no such tenant, FORBIDDEN, or CONFLICT if the address
 *   belongs to a member or the tenant has too many pending invitations
 */
export async function inviteMember(
  catalog: Catalog,
  { identity, tenant, email: given, role }: NewInvitation,
): Promise<Invitation> {
  const email = validInput('email', emailSchema, given.trim()).toLowerCase();
  return catalog.use((client) =>
    asMember(client, identity, tenant, async (row, rights) => {
      mayChange(rights, role, await pendingRole(client, row, email));
      await mustNotBeMember(client, row, email);
      await mustHaveRoom(client, row, email);
      const { rows } = await client.query<{ id: string }>(
        `INSERT INTO invitations (tenant_id, email, user_id, role, token, invited_by, expires_at)
         VALUES ($1, $2, (SELECT id FROM users WHERE ${sameAddress('email')} = $2), $3, $4, $5, now() + make_interval(days => $6))
         ON CONFLICT (tenant_id, email) DO UPDATE SET (user_id, role, token, invited_by, created_at, expires_at, declined_at) =
           (excluded.user_id, excluded.role, excluded.token, excluded.invited_by, excluded.created_at, excluded.expires_at, NULL)
         RETURNING id`,
        [row.id, email, role, randomBytes(32).toString('base64url'), identity.user?.id, LIFETIME_DAYS],
      );
      const stored = await client.query<InvitationRow>(`${selectInvitations} WHERE i.id = $1`, [rows[0]?.id]);
      if (!stored.rows[0]) throw new Error('PostgreSQL did not return the invitation');
      return invitationOf(stored.rows[0]);
    }),
  );
}

/**
 * Returns the pending invitations of a tenant, newest first, at most {@link MAX_PENDING}.
 * @throws {AppError} NOT_FOUND if there is no such tenant, FORBIDDEN
 */
export async function invitationsTo(catalog: Catalog, identity: Identity, tenant: string): Promise<Invitation[]> {
  return catalog.use(async (client) => {
    const found = await findAsMember(client, identity, tenant);
    mayChange(found.rights);
    const { rows } = await client.query<InvitationRow>(
      `${selectInvitations} WHERE i.tenant_id = $1 AND i.expires_at > now() ORDER BY i.created_at DESC, i.id`,
      [found.tenant.id],
    );
    return rows.map(invitationOf);
  });
}

/**
 * Revokes an invitation.
 * @returns false if there is no such invitation to a tenant that the caller belongs to
 * @throws {AppError} FORBIDDEN
 */
export async function revokeInvitation(catalog: Catalog, identity: Identity, id: string): Promise<boolean> {
  if (!isUuid(id)) return false;
  return catalog.use(async (client) => {
    const { rows } = await client.query<TenantRow & { role: MemberRole }>(
      `SELECT t.id, t.slug, i.role FROM invitations i JOIN tenants t ON t.id = i.tenant_id
       WHERE i.id = $1 AND i.expires_at > now()`,
      [id],
    );
    const rights = rows[0] && (await rightsIn(client, identity, rows[0]));
    if (!rights) return false;
    mayChange(rights, rows[0]?.role);
    const { rowCount } = await client.query('DELETE FROM invitations WHERE id = $1', [id]);
    return rowCount === 1;
  });
}

/** Deletes the invitation of somebody who became a member in another way. */
export async function deleteInvitation(client: pg.Client, tenantId: string, email: string): Promise<void> {
  await client.query(`DELETE FROM invitations WHERE tenant_id = $1 AND email = ${sameAddress('$2')}`, [
    tenantId,
    email.trim(),
  ]);
}

/**
 * Deletes the invitations sent by a user whose rights in the tenant were reduced; otherwise an accomplice could still
 * join.
 */
export async function deleteInvitationsBy(client: pg.Client, tenantId: string, user: string): Promise<void> {
  await client.query('DELETE FROM invitations WHERE tenant_id = $1 AND invited_by = $2', [tenantId, user]);
}

async function pendingRole(client: pg.Client, { id }: TenantRow, email: string): Promise<MemberRole | undefined> {
  const { rows } = await client.query<{ role: MemberRole }>(
    'SELECT role FROM invitations WHERE tenant_id = $1 AND email = $2 AND expires_at > now()',
    [id, email],
  );
  return rows[0]?.role;
}

/** Members can see each other, so this reveals nothing to the inviter. */
async function mustNotBeMember(client: pg.Client, { id, slug }: TenantRow, email: string): Promise<void> {
  const { rowCount } = await client.query(
    `SELECT FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.tenant_id = $1 AND ${sameAddress('u.email')} = $2`,
    [id, email],
  );
  if (rowCount === 0) return;
  throw new AppError(
    'CONFLICT',
    `${email} is already a member of ${slug}. Change the role with the mutation setMemberRole.`,
  );
}

async function mustHaveRoom(client: pg.Client, { id, slug }: TenantRow, email: string): Promise<void> {
  await client.query('DELETE FROM invitations WHERE tenant_id = $1 AND expires_at <= now()', [id]);
  const { rowCount } = await client.query('SELECT FROM invitations WHERE tenant_id = $1 AND email <> $2', [id, email]);
  if ((rowCount ?? 0) < MAX_PENDING) return;
  throw new AppError(
    'CONFLICT',
    `${slug} has ${MAX_PENDING} pending invitations, which is the limit. Revoke some with the mutation revokeInvitation, or wait until they are accepted or expire.`,
  );
}
