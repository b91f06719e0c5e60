import { integer, type Setting } from './setting-types.ts';

const callerMeaning = 'a user, or a token without a user, or an address without a token';

/** The settings of shares: how much of a process one tenant, and one caller, may use while others are active too. */
export const shareSettings = {
  TENANT_OPERATIONS: {
    schema: integer(1, 100_000),
    default: '16',
    meaning:
      'concurrent operations of one tenant, and of all callers without a token together; further operations wait. An operation that costs MAX_QUERY_COST uses the whole limit, a cheaper one uses it in proportion. Platform admins have no limit',
  },
  TENANT_COST_PER_SECOND: {
    schema: integer(1, 1_000_000_000),
    default: '20000',
    meaning: 'cost of the operations of one tenant per second, averaged over five seconds, while others are active too',
  },
  TENANT_DATABASE_MS_PER_SECOND: {
    schema: integer(1, 1_000_000),
    default: '2000',
    meaning:
      'time per second that one tenant may hold database connections, in milliseconds, averaged over five seconds, while others are active too; the first 100 ms of each use of a connection are free',
  },
  TENANT_SUBSCRIPTIONS: {
    schema: integer(1, 1_000_000),
    default: '200',
    meaning: 'concurrent subscriptions of one tenant',
  },
  CALLER_OPERATIONS: {
    schema: integer(1, 100_000),
    default: '8',
    meaning: `like TENANT_OPERATIONS, for one caller: ${callerMeaning}`,
  },
  CALLER_COST_PER_SECOND: {
    schema: integer(1, 1_000_000_000),
    default: '10000',
    meaning: 'like TENANT_COST_PER_SECOND, for one caller while others of the same tenant are active too',
  },
  CALLER_DATABASE_MS_PER_SECOND: {
    schema: integer(1, 1_000_000),
    default: '1000',
    meaning: 'like TENANT_DATABASE_MS_PER_SECOND, for one caller while others of the same tenant are active too',
  },
  CALLER_SUBSCRIPTIONS: {
    schema: integer(1, 1_000_000),
    default: '20',
    meaning: 'concurrent subscriptions of one caller',
  },
  OPERATION_WAIT_MS: {
    schema: integer(0, 600_000),
    default: '5000',
    meaning: 'how long an operation beyond its share waits before it fails with RATE_LIMITED, in milliseconds',
  },
} as const satisfies Record<string, Setting>;
