import { flag, integer, type Setting } from './setting-types.ts';

/** The settings of accounts: sessions, and how much people may do by themselves. */
export const accountSettings = {
  SIGN_UP: { schema: flag, default: 'true', meaning: 'whether people may sign up for an account' },
  ACCESS_TOKEN_SECONDS: {
    schema: integer(10, 86_400),
    default: '900',
    meaning: 'lifetime of an access token, in seconds; clients renew it with the refresh token',
  },
  SESSION_DAYS: {
    schema: integer(1, 3650),
    default: '30',
    meaning: 'lifetime of a session before the user has to sign in again, in days',
  },
  OWN_TENANTS: {
    schema: integer(0, 1_000_000),
    default: '5',
    meaning:
      'maximum number of tenants that a user who is not a platform admin may have created or own, including those given away; 0 lets only platform admins create tenants',
  },
  CREATE_TENANT_LIMIT: {
    schema: integer(1, 1_000_000),
    default: '20',
    meaning: 'attempts per hour to create a tenant, for each user who is not a platform admin',
  },
  CREATE_TENANT_LIMIT_ADDRESS: {
    schema: integer(1, 10_000_000),
    absent: 'three times CREATE_TENANT_LIMIT',
    meaning: 'attempts per hour to create a tenant from one address, by all users who are not platform admins',
  },
  INVITATION_LIMIT: {
    schema: integer(1, 1_000_000),
    default: '50',
    meaning: 'invitations per hour, for each user who is not a platform admin',
  },
  SIGN_IN_LIMIT_ACCOUNT: {
    schema: integer(1, 1_000_000),
    default: '10',
    meaning:
      'failed attempts in 15 minutes to sign in to one account, from one address or from one device that has signed in before',
  },
  SIGN_IN_LIMIT_ACCOUNT_TOTAL: {
    schema: integer(1, 10_000_000),
    absent: 'ten times SIGN_IN_LIMIT_ACCOUNT',
    meaning:
      'failed attempts in 15 minutes to sign in to one account, from all addresses; a device that has signed in before can still sign in, see deviceToken',
  },
  SIGN_IN_LIMIT_ADDRESS: {
    schema: integer(1, 1_000_000),
    default: '100',
    meaning: 'sign-in attempts and new accounts in 15 minutes, from one address',
  },
} as const satisfies Record<string, Setting>;
