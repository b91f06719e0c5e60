import { defineEntity, p } from '@mikro-orm/core';

/** The table `users`: people, independent of their tenants. */
export const UserSchema = defineEntity({
  name: 'User',
  tableName: 'users',
  properties: {
    id: p.uuid().primary().defaultRaw('gen_random_uuid()'),
    /** Unique, ignoring case. Null if the identity provider reports none or another user has it. */
    email: p.text().nullable(),
    name: p.text(),
    passwordHash: p.text().nullable().hidden(),
    isPlatformAdmin: p.boolean().default(false),
    active: p.boolean().default(true),
    createdAt: p.datetime(3).defaultRaw('now()'),
  },
});

/** A person who can sign in. */
export class User extends UserSchema.class {}

UserSchema.setClass(User);
