import { connectionBudget, integer, type Setting } from './setting-types.ts';

/** The settings of connections to PostgreSQL: budgets, pools, and the limits of tenants' sessions. */
export const connectionSettings = {
  CONNECTION_BUDGET: {
    schema: connectionBudget,
    default: '64',
    meaning:
      'maximum number of connections of this server to one PostgreSQL server; with SERVER_PROCESSES, of all of them together. auto: all servers and workers divide what PostgreSQL has, again whenever one comes or goes',
  },
  CONNECTION_WAIT_MS: {
    schema: integer(1, 600_000),
    default: '10000',
    meaning: 'how long a request waits for a connection before it fails with SERVER_BUSY, in milliseconds',
  },
  TENANT_POOL_SIZE: {
    schema: integer(1, 1000),
    default: '3',
    meaning: 'maximum number of connections of one tenant in this process',
  },
  TENANT_STATEMENT_TIMEOUT_MS: {
    schema: integer(1, 3_600_000),
    default: '30000',
    meaning: "statement timeout of a tenant's requests, in milliseconds",
  },
  TENANT_CONNECTION_LIMIT: {
    schema: integer(1, 10_000),
    absent: 'TENANT_POOL_SIZE times SERVER_PROCESSES or 4, whichever is greater',
    meaning:
      "maximum number of connections of one tenant's role in all processes, enforced by PostgreSQL; at least TENANT_POOL_SIZE; set it to TENANT_POOL_SIZE times the number of processes so that each can fill its pool",
  },
  TENANT_TEMP_FILE_MB: {
    schema: integer(1, 10_000_000),
    default: '256',
    meaning: 'maximum size of the temporary files of one connection of a tenant, in megabytes',
  },
  TENANT_TRANSACTION_TIMEOUT_MS: {
    schema: integer(1000, 86_400_000),
    default: '120000',
    meaning: 'how long a transaction of a tenant may stay open before its connection is closed, in milliseconds',
  },
  SYSTEM_POOL_SIZE: {
    schema: integer(1, 1000),
    default: '8',
    meaning: 'maximum number of connections to each system database',
  },
  POOL_RECYCLE_SECONDS: {
    schema: integer(1, 1_000_000),
    default: '3600',
    meaning: 'age at which a connection is replaced, in seconds',
  },
  POOL_IDLE_SECONDS: {
    schema: integer(1, 1_000_000),
    default: '60',
    meaning: 'idle time after which a connection is closed, in seconds',
  },
} as const satisfies Record<string, Setting>;
