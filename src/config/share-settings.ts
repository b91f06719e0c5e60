import { integer, type Setting } from './setting-types.ts';

const callerMeaning = 'who has a user, else a token, else an address';

/** The settings of shares: how much of a process one tenant, and one caller, may use while others want some of it too. */
export const shareSettings = {
  TENANT_OPERATIONS: {
    schema: integer(1, 100_000),
    default: '16',
    meaning:
      'operations of one tenant that run at once, and of all callers without a token together; others wait. An operation that costs MAX_QUERY_COST counts as all of them, a cheaper one in proportion. Platform admins have no limit',
  },
  TENANT_COST_PER_SECOND: {
    schema: integer(1, 1_000_000_000),
    default: '20000',
    meaning:
      'cost of operations that one tenant may spend per second, averaged over five seconds, while others are active too',
  },
  TENANT_DATABASE_MS_PER_SECOND: {
    schema: integer(1, 1_000_000),
    default: '2000',
    meaning:
      'time for which one tenant may hold database connections per second, in milliseconds, averaged over five seconds, while others are active too; the first 100 of each time are free',
  },
  TENANT_SUBSCRIPTIONS: {
    schema: integer(1, 1_000_000),
    default: '200',
    meaning: 'subscriptions of one tenant at once',
  },
  CALLER_OPERATIONS: {
    schema: integer(1, 100_000),
    default: '8',
    meaning: `as TENANT_OPERATIONS, for one caller: ${callerMeaning}`,
  },
  CALLER_COST_PER_SECOND: {
    schema: integer(1, 1_000_000_000),
    default: '10000',
    meaning: 'as TENANT_COST_PER_SECOND, for one caller while others of the same tenant are active too',
  },
  CALLER_DATABASE_MS_PER_SECOND: {
    schema: integer(1, 1_000_000),
    default: '1000',
    meaning: 'as TENANT_DATABASE_MS_PER_SECOND, for one caller while others of the same tenant are active too',
  },
  CALLER_SUBSCRIPTIONS: {
    schema: integer(1, 1_000_000),
    default: '20',
    meaning: 'subscriptions of one caller at once',
  },
  OPERATION_WAIT_MS: {
    schema: integer(0, 600_000),
    default: '5000',
    meaning:
      'how long an operation beyond its share waits in its own queue before it gets RATE_LIMITED, in milliseconds',
  },
} as const satisfies Record<string, Setting>;
