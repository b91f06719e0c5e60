import { defineEntity, p } from '@mikro-orm/core';

/** The table `member_profiles` in each tenant's schema. */
export const MemberProfileSchema = defineEntity({
  name: 'MemberProfile',
  tableName: 'member_profiles',
  schema: '*',
  properties: {
    /** The user's id in the installation. */
    userId: p.uuid().primary(),
    displayName: p.text().nullable(),
    jobTitle: p.text().nullable(),
  },
});

/** A member's profile in one tenant. */
export class MemberProfile extends MemberProfileSchema.class {}

MemberProfileSchema.setClass(MemberProfile);
