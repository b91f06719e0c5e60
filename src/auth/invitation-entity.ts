import type { MemberRole } from '../catalog/entities/membership.entity.ts';

/** What an invitation tells, to the inviting tenant and to the invited person alike. */
export interface Invitation {
  readonly id: string;
  readonly tenantId: string;
  readonly tenantSlug: string;
  readonly tenantName: string;
  /** In lower case. */
  readonly email: string;
  readonly role: MemberRole;
  /** The name of the user who invited; undefined for the bearer of a token who is not a user. */
  readonly invitedBy: string | undefined;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  /** What it is accepted with; only in what the invited person is shown. */
  readonly token: string | undefined;
}

/** A row of {@link selectInvitations}. */
export interface InvitationRow extends Omit<Invitation, 'token' | 'invitedBy' | 'createdAt' | 'expiresAt'> {
  readonly token: string;
  readonly invitedBy: string | null;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

/** Selects {@link InvitationRow}s; `i` are the invitations, `t` their tenants. */
export const selectInvitations = `
  SELECT i.id, i.tenant_id AS "tenantId", t.slug AS "tenantSlug", t.name AS "tenantName", i.email, i.role, i.token,
    u.name AS "invitedBy", (extract(epoch FROM i.created_at) * 1000)::float8 AS "createdAtMs",
    (extract(epoch FROM i.expires_at) * 1000)::float8 AS "expiresAtMs"
  FROM invitations i JOIN tenants t ON t.id = i.tenant_id LEFT JOIN users u ON u.id = i.invited_by`;

/** An invitation as its tenant's owners and admins see it: without the token, and nothing of the invited person's account. */
export function invitationOf({ invitedBy, createdAtMs, expiresAtMs, ...row }: InvitationRow): Invitation {
  return {
    ...row,
    invitedBy: invitedBy ?? undefined,
    createdAt: new Date(createdAtMs),
    expiresAt: new Date(expiresAtMs),
    token: undefined,
  };
}

/** An invitation as the invited person sees it. */
export function ownInvitationOf(row: InvitationRow): Invitation {
  return { ...invitationOf(row), token: row.token };
}
