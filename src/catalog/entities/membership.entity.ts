import { defineEntity, p } from '@mikro-orm/core';
import { Tenant } from './tenant.entity.ts';
import { User } from './user.entity.ts';

/** The roles of members. */
export const memberRoles = ['OWNER', 'ADMIN', 'MEMBER'] as const;
export type MemberRole = (typeof memberRoles)[number];

/** The table `memberships`: links users to tenants. */
export const MembershipSchema = defineEntity({
  name: 'Membership',
  tableName: 'memberships',
  properties: {
    user: () => p.manyToOne(User).primary().ref(),
    tenant: () => p.manyToOne(Tenant).primary().ref(),
    role: p.enum(memberRoles),
    createdAt: p.datetime(3).defaultRaw('now()'),
  },
});

/** A user's membership in a tenant. */
export class Membership extends MembershipSchema.class {}

MembershipSchema.setClass(Membership);
