import { defineEntity, p } from '@mikro-orm/core';
import { Tenant } from './tenant.entity.ts';
import { User } from './user.entity.ts';

/** What a person may do in a tenant. */
export const memberRoles = ['OWNER', 'ADMIN', 'MEMBER'] as const;
export type MemberRole = (typeof memberRoles)[number];

/** The table `memberships`: which person belongs to which tenant. */
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

/** One person's place in one tenant. */
export class Membership extends MembershipSchema.class {}

MembershipSchema.setClass(Membership);
