import { defineEntity, p } from '@mikro-orm/core';

/** The table `member_profiles`, one in each tenant's schema. */
export const MemberProfileSchema = defineEntity({
  name: 'MemberProfile',
  tableName: 'member_profiles',
  schema: '*',
  properties: {
    /** Who it is in the whole installation. */
    userId: p.uuid().primary(),
    displayName: p.text().nullable(),
    jobTitle: p.text().nullable(),
  },
});

/** What a member is called in one tenant. */
export class MemberProfile extends MemberProfileSchema.class {}

MemberProfileSchema.setClass(MemberProfile);
