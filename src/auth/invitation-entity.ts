import type { MemberRole } from '../catalog/entities/membership.entity.ts';

/** An invitation, as both the inviting tenant and the invited person may see it. */
export interface Invitation {
  readonly id: string;
  readonly tenantId: string;
  readonly tenantSlug: string;
  readonly tenantName: string;
  /** In lower case. */
  readonly email: string;
  readonly role: MemberRole;
  /** The name of the inviting user; undefined if the inviter is the bearer of a token without a user. */
  readonly invitedBy: string | undefined;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  /** The token that accepts it; only set for the invited person. */
  readonly token: string | undefined;
}

/** A row of {@link selectInvitations}. */
export interface InvitationRow extends Omit<Invitation, 'token' | 'invitedBy' | 'createdAt' | 'expiresAt'> {
  readonly token: string;
  readonly invitedBy: string | null;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

/** Selects {@link InvitationRow}s; the alias of invitations is `i`, that of their tenants `t`. */
export const selectInvitations = `
  SELECT i.id, i.tenant_id AS "tenantId", t.slug AS "tenantSlug", t.name AS "tenantName", i.email, i.role, i.token,
    u.name AS "invitedBy", (extract(epoch FROM i.created_at) * 1000)::float8 AS "createdAtMs",
    (extract(epoch FROM i.expires_at) * 1000)::float8 AS "expiresAtMs"
  FROM invitations i JOIN tenants t ON t.id = i.tenant_id LEFT JOIN users u ON u.id = i.invited_by`;

/**
 * Converts a row for the tenant's owners and admins: without the token, and without anything about the person's
 * account.
 */
export function invitationOf({ invitedBy, createdAtMs, expiresAtMs, ...row }: InvitationRow): Invitation {
  return {
    ...row,
    invitedBy: invitedBy ?? undefined,
    createdAt: new Date(createdAtMs),
    expiresAt: new Date(expiresAtMs),
    token: undefined,
  };
}

/** Converts a row for the invited person. */
export function ownInvitationOf(row: InvitationRow): Invitation {
  return { ...invitationOf(row), token: row.token };
}
