import { z } from 'zod';
import { databaseName, flag, integer, origins, type Setting, secret, url } from './setting-types.ts';
import { shareSettings } from './share-settings.ts';
import { tokenSettings } from './token-settings.ts';

/**
 * All settings, in the order of `.env.example` and the documentation. Add new settings here. Each is an environment variable
 * of this name, or a line in `.env`.
 */
export const settings = {
  NODE_ENV: {
    schema: z.enum(['development', 'production', 'test'], { error: 'must be development, production or test' }),
    default: 'development',
    meaning: 'production asks for real keys and a real database, and hides GraphiQL and introspection',
  },
  PORT: { schema: integer(0, 65535), default: '4000', meaning: 'port to listen on; 0 takes a free one' },
  HOST: { schema: z.string(), default: '127.0.0.1', meaning: 'address to listen on; 0.0.0.0 for all' },
  DATABASE_URL: {
    schema: url('postgres:', 'postgresql:'),
    absent: 'an embedded PostgreSQL in DATA_DIR',
    meaning:
      'the PostgreSQL server, with a role that may create databases and roles; with any role that may connect, this process only serves',
  },
  ADMIN_DATABASE_URL: {
    schema: url('postgres:', 'postgresql:'),
    absent: 'the same as DATABASE_URL',
    meaning:
      'the same server, with the role that creates, migrates and deletes; for workers and commands, where DATABASE_URL has a role that may only serve',
  },
  DB_HOST: {
    schema: z.string(),
    absent: 'see DATABASE_URL',
    meaning: 'with DB_PORT, DB_USERNAME and DB_PASSWORD: the same in parts',
  },
  DB_PORT: { schema: integer(1, 65535), absent: '5432 when DB_HOST is set', meaning: 'port of the PostgreSQL server' },
  DB_USERNAME: { schema: z.string(), absent: 'see DB_HOST', meaning: 'role on the PostgreSQL server' },
  DB_PASSWORD: { schema: z.string(), absent: 'see DB_HOST', meaning: 'its password' },
  ADMIN_CONN_STR: {
    schema: url('postgres:', 'postgresql:', 'postgresql+psycopg2:'),
    absent: 'see DATABASE_URL',
    meaning: 'the old name of DATABASE_URL',
  },
  DATA_DIR: {
    schema: z.string(),
    default: '.data',
    meaning: 'folder of the embedded PostgreSQL and of development keys',
  },
  AUTH_DATABASE: { schema: databaseName, default: 'auth', meaning: 'name of the database of users, tenants and runs' },
  CONSTANTS_DATABASE: {
    schema: databaseName,
    default: 'constants',
    meaning: 'name of the database of data that all tenants share',
  },
  SHARED_DATABASE: {
    schema: databaseName,
    default: 'shared',
    meaning: 'name of the database that holds the tenants with schema isolation',
  },
  TENANT_MIGRATIONS_DIR: {
    schema: z.string(),
    default: 'migrations/tenant',
    meaning: 'folder with the migrations of tenants',
  },
  DEFAULT_ISOLATION: {
    schema: z.enum(['database', 'schema'], { error: 'must be database or schema' }),
    default: 'database',
    meaning: 'isolation of new tenants: database or schema',
  },
  ROLE_SECRET: {
    schema: secret,
    absent: 'a file in DATA_DIR, in development',
    meaning:
      "secret of at least 32 bytes, from which the passwords of tenants' database roles and the key to the URLs of added servers are derived",
  },
  CONNECTION_BUDGET: {
    schema: integer(5, 10_000),
    default: '64',
    meaning: 'connections that this process may hold on one PostgreSQL server',
  },
  CONNECTION_WAIT_MS: {
    schema: integer(1, 600_000),
    default: '10000',
    meaning: 'how long a request waits for a connection before it gets SERVER_BUSY, in milliseconds',
  },
  TENANT_POOL_SIZE: { schema: integer(1, 1000), default: '3', meaning: 'connections of one tenant' },
  TENANT_STATEMENT_TIMEOUT_MS: {
    schema: integer(1, 3_600_000),
    default: '30000',
    meaning: "how long a statement of a tenant's request may take, in milliseconds",
  },
  TENANT_CONNECTION_LIMIT: {
    schema: integer(1, 10_000),
    absent: '4 × TENANT_POOL_SIZE, enough for four server processes',
    meaning:
      'connections that PostgreSQL grants to the role of one tenant, over all processes; at least TENANT_POOL_SIZE, and that times the processes to let each fill its pool',
  },
  TENANT_TEMP_FILE_MB: {
    schema: integer(1, 10_000_000),
    default: '256',
    meaning: 'temporary files that one connection of a tenant may fill at once, in megabytes',
  },
  TENANT_TRANSACTION_TIMEOUT_MS: {
    schema: integer(1000, 86_400_000),
    default: '120000',
    meaning: 'how long a transaction of a tenant may stay open, in milliseconds; then its connection is ended',
  },
  SYSTEM_POOL_SIZE: { schema: integer(1, 1000), default: '8', meaning: 'connections to each system database' },
  POOL_RECYCLE_SECONDS: {
    schema: integer(1, 1_000_000),
    default: '3600',
    meaning: 'age at which a connection is replaced',
  },
  POOL_IDLE_SECONDS: {
    schema: integer(1, 1_000_000),
    default: '60',
    meaning: 'idle time after which a connection is closed',
  },
  ...tokenSettings,
  SIGN_UP: { schema: flag, default: 'true', meaning: 'whether people may make accounts for themselves' },
  ACCESS_TOKEN_SECONDS: {
    schema: integer(10, 86_400),
    default: '900',
    meaning: 'how long the token of someone who has signed in is valid; it is renewed with the refresh token',
  },
  SESSION_DAYS: {
    schema: integer(1, 3650),
    default: '30',
    meaning: 'how long someone stays signed in before the password is asked for again',
  },
  OWN_TENANTS: {
    schema: integer(0, 1_000_000),
    default: '5',
    meaning:
      'tenants that a user who is not a platform admin may have created or own, given away ones included; 0: only platform admins create tenants',
  },
  CREATE_TENANT_LIMIT: {
    schema: integer(1, 1_000_000),
    default: '20',
    meaning: 'attempts to create a tenant that a user who is not a platform admin may make in an hour',
  },
  INVITATION_LIMIT: {
    schema: integer(1, 1_000_000),
    default: '50',
    meaning: 'invitations that a user who is not a platform admin may make in an hour',
  },
  SIGN_IN_LIMIT_ACCOUNT: {
    schema: integer(1, 1_000_000),
    default: '10',
    meaning:
      'attempts to sign in to one account from one address, or from one device that signed in before, that may fail in a quarter of an hour',
  },
  SIGN_IN_LIMIT_ACCOUNT_TOTAL: {
    schema: integer(1, 10_000_000),
    absent: 'ten times SIGN_IN_LIMIT_ACCOUNT',
    meaning:
      'the same from all addresses together; a device that signed in before gets in all the same, see deviceToken',
  },
  SIGN_IN_LIMIT_ADDRESS: {
    schema: integer(1, 1_000_000),
    default: '100',
    meaning: 'attempts to sign in, and new accounts, that may come from one address in a quarter of an hour',
  },
  WORKER: {
    schema: z.enum(['inline', 'off'], { error: 'must be inline or off' }),
    default: 'inline',
    meaning: 'inline: this server carries out migration runs; off: it only serves',
  },
  MIGRATION_CONCURRENCY: { schema: integer(1, 1000), default: '8', meaning: 'tenants that are migrated at once' },
  CHECKPOINT_KEEP: {
    schema: integer(1, 1000),
    default: '5',
    meaning: 'checkpoints of one tenant that are kept; the oldest go first',
  },
  CHECKPOINT_MAX_AGE_DAYS: {
    schema: integer(1, 36_500),
    default: '30',
    meaning: 'age at which a checkpoint is dropped, in days',
  },
  MIGRATION_LOCK_TIMEOUT_MS: {
    schema: integer(1, 3_600_000),
    default: '2000',
    meaning: "how long a migration waits for a table's lock, in milliseconds",
  },
  TRUSTED_PROXIES: {
    schema: integer(0, 10),
    default: '0',
    meaning:
      'proxies in front of the server, each of which appends to x-forwarded-for the address that it was asked by',
  },
  CORS_ORIGINS: {
    schema: origins,
    absent: 'no other origin may call',
    meaning: 'origins that browsers may call from, separated by commas',
  },
  GRAPHIQL: { schema: flag, absent: 'on, but off in production', meaning: 'whether GraphiQL is served' },
  INTROSPECTION: { schema: flag, absent: 'on, but off in production', meaning: 'whether the schema may be asked for' },
  MAX_BODY_BYTES: { schema: integer(1000, 1_000_000_000), default: '1000000', meaning: 'size limit of a request body' },
  MAX_DOCUMENT_BYTES: {
    schema: integer(1000, 1_000_000_000),
    default: '20000',
    meaning: 'size limit of a GraphQL document, in bytes; its variables are part of the body only',
  },
  MAX_QUERY_DEPTH: { schema: integer(1, 1000), default: '12', meaning: 'depth limit of a GraphQL document' },
  MAX_QUERY_TOKENS: {
    schema: integer(10, 1_000_000),
    default: '2000',
    meaning: 'size limit of a GraphQL document, in tokens',
  },
  MAX_QUERY_FIELDS: {
    schema: integer(1, 100_000),
    default: '200',
    meaning: 'limit of fields and fragment spreads written in a GraphQL document',
  },
  MAX_QUERY_ALIASES: { schema: integer(0, 10_000), default: '30', meaning: 'limit of aliases in a GraphQL document' },
  MAX_QUERY_COST: {
    schema: integer(1, 10_000_000),
    default: '20000',
    meaning:
      'cost limit of a GraphQL operation; a field costs 1, times the items that the lists around it can have: the size of a page, or the most that the list can have',
  },
  MAX_ANSWER_OBJECTS: {
    schema: integer(1, 10_000_000),
    default: '20000',
    meaning: 'objects that the answer to a GraphQL operation, or one event of a subscription, may have',
  },
  MAX_ANSWER_BYTES: {
    schema: integer(1000, 1_000_000_000),
    default: '5000000',
    meaning: 'size limit of the answer to a GraphQL operation, or of one event of a subscription',
  },
  ...shareSettings,
  SHUTDOWN_SECONDS: {
    schema: integer(0, 3600),
    default: '20',
    meaning:
      'how long running requests and migrations may take to end after SIGTERM, and migrations when their run is cancelled',
  },
  LOG_LEVEL: {
    schema: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
      error: 'must be trace, debug, info, warn, error, fatal or silent',
    }),
    default: 'info',
    meaning: 'the least severe level that is logged',
  },
} as const satisfies Record<string, Setting>;

/** The name of a setting. */
export type SettingName = keyof typeof settings;

/** The parsed settings. Those without a default may be undefined. */
export type SettingValues = {
  [Name in SettingName]: (typeof settings)[Name] extends { default: string }
    ? z.output<(typeof settings)[Name]['schema']>
    : z.output<(typeof settings)[Name]['schema']> | undefined;
};

/**
 * Reads all settings. An empty variable counts as not set.
 * @param problems receives an entry for each invalid setting; that setting is undefined in the result, despite its type
 */
export function readSettings(env: Readonly<Record<string, string | undefined>>, problems: string[]): SettingValues {
  const read = ([name, setting]: [string, (typeof settings)[SettingName]]): [string, unknown] => {
    const fallback = 'default' in setting ? setting.default : undefined;
    const text = env[name] || fallback;
    if (text === undefined) return [name, undefined];
    const result = setting.schema.safeParse(text);
    if (result.success) return [name, result.data];
    problems.push(`${name} ${result.error.issues[0]?.message ?? 'cannot be read'}`);
    return [name, undefined];
  };
  // The cast is safe: every name gets a value or an entry in `problems`.
  return Object.fromEntries(Object.entries(settings).map(read)) as SettingValues;
}

/** Returns the text of `.env.example`: every setting with its meaning, commented out with its default. */
export function describeSettings(): string {
  const entries = Object.entries<Setting>(settings).map(([name, { meaning, default: fallback, absent }]) => {
    const otherwise = fallback === undefined ? `\n# Not set: ${absent}.` : '';
    return `# ${meaning}${otherwise}\n#${name}=${fallback ?? ''}\n`;
  });
  return `# Copy this file to .env and change what you need. Variables of the environment go before it.\n\n${entries.join('\n')}`;
}
