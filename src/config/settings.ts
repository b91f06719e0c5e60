import { z } from 'zod';
import { accountSettings } from './account-settings.ts';
import { addressSettings } from './address-settings.ts';
import { connectionSettings } from './connection-settings.ts';
import { fileSettings } from './file-settings.ts';
import { observabilitySettings } from './observability-settings.ts';
import { retentionSettings } from './retention-settings.ts';
import { databaseName, flag, integer, origins, processes, type Setting, secret } from './setting-types.ts';
import { shareSettings } from './share-settings.ts';
import { tokenSettings } from './token-settings.ts';
import { webhookSettings } from './webhook-settings.ts';

/**
 * All settings, in the order of `.env.example` and the documentation. Add new settings here. Each is an environment variable
 * of this name, or a line in `.env`.
 */
export const settings = {
  NODE_ENV: {
    schema: z.enum(['development', 'production', 'test'], { error: 'must be development, production or test' }),
    default: 'development',
    meaning: 'production requires real keys and a real database, and turns off GraphiQL and introspection by default',
  },
  PORT: { schema: integer(0, 65535), default: '4000', meaning: 'port to listen on; 0 chooses a free one' },
  HOST: { schema: z.string(), default: '127.0.0.1', meaning: 'address to listen on; 0.0.0.0 for all' },
  SERVER_PROCESSES: {
    schema: processes,
    default: '1',
    meaning:
      'number of processes that serve requests at the same port; max for one per core. They divide the budgets of connections; the shares of tenants and callers apply to each process',
  },
  ...addressSettings,
  DATA_DIR: {
    schema: z.string(),
    default: '.data',
    meaning: 'folder for the embedded PostgreSQL and the development keys',
  },
  AUTH_DATABASE: { schema: databaseName, default: 'auth', meaning: 'name of the database for users, tenants and runs' },
  CONSTANTS_DATABASE: {
    schema: databaseName,
    default: 'constants',
    meaning: 'name of the database for data that all tenants share',
  },
  SHARED_DATABASE: {
    schema: databaseName,
    default: 'shared',
    meaning: 'name of the database for tenants with schema isolation',
  },
  TENANT_MIGRATIONS_DIR: {
    schema: z.string(),
    default: 'migrations/tenant',
    meaning: "folder of the tenants' migrations",
  },
  COMMON_MIGRATIONS_DIR: { schema: z.string(), default: 'migrations/common', meaning: 'folder of common migrations' },
  DEFAULT_ISOLATION: {
    schema: z.enum(['database', 'schema'], { error: 'must be database or schema' }),
    default: 'database',
    meaning: 'isolation of new tenants, unless they are created with another one: database or schema',
  },
  ROLE_SECRET: {
    schema: secret,
    absent: 'a file in DATA_DIR, in development',
    meaning:
      "secret of at least 32 bytes; the passwords of tenants' database roles and the key that encrypts the URLs of added servers are derived from it",
  },
  ...connectionSettings,
  ...tokenSettings,
  ...accountSettings,
  WORKER: {
    schema: z.enum(['inline', 'off'], { error: 'must be inline or off' }),
    default: 'inline',
    meaning:
      'inline: this server carries out migration runs and delivers events to webhooks; off: it only serves requests',
  },
  MIGRATION_CONCURRENCY: {
    schema: integer(1, 1000),
    default: '8',
    meaning: 'number of tenants to migrate concurrently',
  },
  CHECKPOINT_KEEP: {
    schema: integer(1, 1000),
    default: '5',
    meaning: 'number of checkpoints to keep for each tenant; the oldest are deleted first',
  },
  CHECKPOINT_MAX_AGE_DAYS: {
    schema: integer(1, 36_500),
    default: '30',
    meaning: 'age at which a checkpoint is deleted, in days',
  },
  MIGRATION_LOCK_TIMEOUT_MS: {
    schema: integer(1, 3_600_000),
    default: '1000',
    meaning:
      'lock timeout of migrations, in milliseconds; a migration gives way to requests in a deadlock if it is not longer than PostgreSQL’s deadlock_timeout',
  },
  BACKFILL_BATCH_MS: {
    schema: integer(10, 60_000),
    default: '250',
    meaning:
      'how long a batch of a backfill should take, in milliseconds; the number of rows in a batch follows from it',
  },
  DRIFT_CHECK_HOURS: {
    schema: integer(0, 10_000),
    default: '0',
    meaning:
      'hours between checks whether the tables of all tenants match the entities, which a worker carries out; 0 for none',
  },
  TRUSTED_PROXIES: {
    schema: integer(0, 10),
    default: '0',
    meaning:
      'number of proxies in front of the server, each of which appends the address of its client to x-forwarded-for',
  },
  CORS_ORIGINS: {
    schema: origins,
    absent: 'none; in development, pages of localhost on any port are allowed too',
    meaning: 'allowed CORS origins, separated by commas',
  },
  GRAPHIQL: { schema: flag, absent: 'on, but off in production', meaning: 'whether GraphiQL is served' },
  CONSOLE: { schema: flag, default: 'true', meaning: 'whether the console for platform admins is served at /console' },
  INTROSPECTION: { schema: flag, absent: 'on, but off in production', meaning: 'whether introspection is allowed' },
  MAX_BODY_BYTES: { schema: integer(1000, 1_000_000_000), default: '1000000', meaning: 'size limit of request bodies' },
  MAX_DOCUMENT_BYTES: {
    schema: integer(1000, 1_000_000_000),
    default: '20000',
    meaning: 'maximum size of a GraphQL document, in bytes; variables only count towards the body',
  },
  PERSISTED_DOCUMENTS: {
    schema: z.enum(['only', 'also', 'off'], { error: 'must be only, also or off' }),
    default: 'off',
    meaning: 'whether clients may send ids of persisted documents: only those, also those, or off',
  },
  PERSISTED_DOCUMENTS_PATH: {
    schema: z.string(),
    absent: 'there are none',
    meaning: 'JSON file that maps ids to GraphQL documents, or folder of such files and of .graphql files named by id',
  },
  MAX_QUERY_DEPTH: { schema: integer(1, 1000), default: '12', meaning: 'maximum depth of a GraphQL document' },
  MAX_QUERY_TOKENS: {
    schema: integer(10, 1_000_000),
    default: '2000',
    meaning: 'maximum number of tokens in a GraphQL document',
  },
  MAX_QUERY_FIELDS: {
    schema: integer(1, 100_000),
    default: '200',
    meaning: 'maximum number of fields and fragment spreads in a GraphQL document',
  },
  MAX_QUERY_ALIASES: {
    schema: integer(0, 10_000),
    default: '30',
    meaning: 'maximum number of aliases in a GraphQL document',
  },
  MAX_QUERY_COST: {
    schema: integer(1, 10_000_000),
    default: '20000',
    meaning:
      'maximum cost of a GraphQL operation; a field, a condition of a filter and a column of an order cost 1 each, multiplied by the maximum number of items of each list around it: the page size, or the limit of the list',
  },
  MAX_ANSWER_OBJECTS: {
    schema: integer(1, 10_000_000),
    default: '20000',
    meaning: 'maximum number of objects in the response to a GraphQL operation, or in one event of a subscription',
  },
  MAX_ANSWER_BYTES: {
    schema: integer(1000, 1_000_000_000),
    default: '5000000',
    meaning: 'maximum size of the response to a GraphQL operation, or of one event of a subscription, in bytes',
  },
  ...shareSettings,
  ...fileSettings,
  ...webhookSettings,
  ...retentionSettings,
  SHUTDOWN_SECONDS: {
    schema: integer(0, 3600),
    default: '20',
    meaning:
      'how long requests and migrations in progress may take to finish after SIGTERM, and migrations after their run is cancelled, in seconds',
  },
  ...observabilitySettings,
  LOG_LEVEL: {
    schema: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
      error: 'must be trace, debug, info, warn, error, fatal or silent',
    }),
    default: 'info',
    meaning: 'minimum level of log messages',
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
  return `# Copy this file to .env and change what you need. Environment variables take precedence over it.\n\n${entries.join('\n')}`;
}
