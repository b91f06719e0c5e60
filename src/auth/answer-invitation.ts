import type pg from 'pg';
import type { Catalog } from '../catalog/catalog.ts';
import { statusSql } from '../catalog/steps.ts';
import { deletedStatuses } from '../catalog/tenant-status.ts';
import { AppError } from '../lib/errors.ts';
import { type Invitation, type InvitationRow, ownInvitationOf, selectInvitations } from './invitation-entity.ts';

/** The maximum number of invitations that a person sees. */
export const MAX_SHOWN = 50;

/** Tenants that are in the bin, or on their way out. */
const isDeleted = statusSql(deletedStatuses, 't.status');

/** The form of our tokens: 256 bits in base64url. */
const tokenPattern = /^[\w-]{43}$/;

/** Returns the invitations that a user can accept, newest first, at most {@link MAX_SHOWN}. */
export async function invitationsFor(catalog: Catalog, user: string): Promise<Invitation[]> {
  return catalog.use(async (client) => {
    const { rows } = await client.query<InvitationRow>(
      `${selectInvitations}
       WHERE i.user_id = $1 AND i.expires_at > now() AND i.declined_at IS NULL AND NOT ${isDeleted}
       ORDER BY i.created_at DESC, i.id LIMIT ${MAX_SHOWN}`,
      [user],
    );
    return rows.map(ownInvitationOf);
  });
}

/**
 * Makes the invited user a member. A user who has become a member in the meantime keeps that role.
 * @returns the tenant's id
 * @throws {AppError} NOT_FOUND if the user has no such invitation, or no longer has it
 */
export async function acceptInvitation(catalog: Catalog, user: string, token: string): Promise<string> {
  const tenantId = tokenPattern.test(token) ? await catalog.use((client) => accept(client, user, token)) : undefined;
  if (tenantId !== undefined) return tenantId;
  throw new AppError(
    'NOT_FOUND',
    'You have no such invitation: it has expired, was revoked or answered, or is for another account. See viewer.invitations, or ask for a new one.',
  );
}

/** A single statement, so that the first of two concurrent answers, or of an answer and a revocation, wins. */
async function accept(client: pg.Client, user: string, token: string): Promise<string | undefined> {
  const { rows } = await client.query<{ tenant_id: string }>(
    `WITH accepted AS (
       DELETE FROM invitations i USING tenants t
       WHERE i.token = $2 AND i.user_id = $1 AND i.expires_at > now() AND i.declined_at IS NULL
         AND t.id = i.tenant_id AND NOT ${isDeleted}
       RETURNING i.tenant_id, i.role),
     member AS (
       INSERT INTO memberships (user_id, tenant_id, role) SELECT $1, tenant_id, role FROM accepted ON CONFLICT DO NOTHING)
     SELECT tenant_id FROM accepted`,
    [user, token],
  );
  return rows[0]?.tenant_id;
}

/**
 * Declines an invitation. It stays in the tenant's list until it expires, so that the inviter does not notice.
 * @returns false if the user has no such invitation
 */
export async function declineInvitation(catalog: Catalog, user: string, token: string): Promise<boolean> {
  if (!tokenPattern.test(token)) return false;
  return catalog.use(async (client) => {
    const { rowCount } = await client.query(
      `UPDATE invitations SET declined_at = now()
       WHERE token = $2 AND user_id = $1 AND expires_at > now() AND declined_at IS NULL`,
      [user, token],
    );
    return rowCount === 1;
  });
}
