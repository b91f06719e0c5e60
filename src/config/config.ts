import { type FileConfig, fileConfig } from './file-config.ts';
import { type MetricsConfig, metricsConfig } from './metrics-config.ts';
import { type RetentionConfig, retentionConfig } from './retention-config.ts';
import { type ServerAddresses, serverAddresses } from './server-address.ts';
import { readSettings } from './settings.ts';
import { type TokenConfig, type TrustedClaims, tokenConfig } from './token-config.ts';

/** How much one tenant, or one caller, may use. */
export interface ShareLimits {
  /** Concurrent operations. */
  readonly operations: number;
  readonly costPerSecond: number;
  /** Connection time per second: how long database connections are held, in milliseconds. */
  readonly databaseMsPerSecond: number;
  /** Concurrent subscriptions. */
  readonly subscriptions: number;
}

/** The validated configuration. The names of durations end in their unit. */
export interface Config extends ServerAddresses {
  readonly environment: 'development' | 'production' | 'test';
  readonly logLevel: string;
  /** The number of processes that serve requests. */
  readonly processes: number;
  readonly dataDir: string;
  readonly http: {
    readonly host: string;
    readonly port: number;
    readonly trustedProxies: number;
    readonly corsOrigins: readonly string[];
    /** Whether pages of this machine may read responses, from any port. */
    readonly allowsLocalPages: boolean;
    /** Whether the console for platform admins is served. */
    readonly console: boolean;
    readonly maxBodyBytes: number;
    readonly shutdownSeconds: number;
  };
  readonly graphql: {
    readonly graphiql: boolean;
    readonly introspection: boolean;
    /** Whether clients may send only ids of persisted documents, also ids, or no ids. */
    readonly persistedDocuments: 'only' | 'also' | 'off';
    /** The file or folder of the persisted documents; set unless they are off. */
    readonly persistedDocumentsPath: string | undefined;
    readonly maxDocumentBytes: number;
    readonly maxDepth: number;
    readonly maxTokens: number;
    readonly maxFields: number;
    readonly maxAliases: number;
    readonly maxCost: number;
    readonly maxAnswerObjects: number;
    readonly maxAnswerBytes: number;
  };
  /** How much of this process one tenant, and one caller, may use while others are active too. */
  readonly shares: {
    readonly tenant: ShareLimits;
    readonly caller: ShareLimits;
    /** How long an operation waits when its share is used up, in milliseconds. */
    readonly waitMs: number;
  };
  readonly databases: { readonly auth: string; readonly constants: string; readonly shared: string };
  readonly defaultIsolation: 'DATABASE' | 'SCHEMA';
  /** Undefined if it is generated in `dataDir`. */
  readonly roleSecret: string | undefined;
  readonly connections: {
    /** Of this process, to each PostgreSQL server that has no budget of its own. `auto`: processes divide the server's connections. */
    readonly budget: number | 'auto';
    /** Whether this process reports to others how many connections it may hold. False for commands, which end soon. */
    readonly isAnnounced: boolean;
    /** Among how many processes the budgets of PostgreSQL servers are divided. */
    readonly processes: number;
    readonly waitMs: number;
    readonly tenantPoolSize: number;
    readonly tenantTransactionTimeoutMs: number;
    /** The limits that PostgreSQL enforces for the role of one tenant. */
    readonly tenantBounds: {
      readonly connectionLimit: number;
      readonly tempFileMb: number;
      readonly statementTimeoutMs: number;
    };
    readonly systemPoolSize: number;
    readonly recycleSeconds: number;
    readonly idleSeconds: number;
  };
  readonly tokens: TokenConfig;
  readonly accounts: {
    readonly signUp: boolean;
    readonly accessTokenSeconds: number;
    readonly sessionDays: number;
    /** How many tenants a user who is not a platform admin may create. */
    readonly ownTenants: number;
    /** Per user. */
    readonly hourlyLimits: {
      readonly invitations: number;
      readonly tenants: number;
      readonly tenantsAtAddress: number;
    };
    /** Attempts in 15 minutes. */
    readonly signInLimits: {
      readonly perAccount: number;
      readonly perAccountTotal: number;
      readonly perAddress: number;
    };
    /** Which claims are trusted in tokens that were not issued to a user of this installation. */
    readonly trustedClaims: TrustedClaims;
  };
  readonly migrations: {
    readonly tenantDir: string;
    readonly commonDir: string;
    readonly worker: 'inline' | 'off';
    readonly concurrency: number;
    readonly lockTimeoutMs: number;
    /** How long a batch of a backfill should take. */
    readonly backfillBatchMs: number;
  };
  /** How many checkpoints of one tenant are kept, and for how long. */
  readonly checkpoints: { readonly keep: number; readonly maxAgeDays: number };
  readonly files: FileConfig;
  readonly webhooks: {
    /** Whether this process delivers events. */
    readonly delivers: boolean;
    readonly allowPrivate: boolean;
    readonly retentionDays: number;
  };
  /** Hours between checks of all tenants' tables; 0 for none. */
  readonly driftCheckHours: number;
  readonly retention: RetentionConfig;
  readonly metrics: MetricsConfig;
  /** The duration from which a request is logged as slow. */
  readonly slowRequestMs: number;
}

/** Invalid settings. The message has a line for each problem, with the variable's name. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      `The settings are invalid:\n${problems.map((problem) => `  - ${problem}`).join('\n')}\n.env.example explains each setting.`,
    );
    this.problems = problems;
  }
}

/**
 * Reads and validates all settings. An empty variable counts as not set.
 * @throws {ConfigError} with all problems
 */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const { config, problems } = readConfig(env);
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

/** Like {@link loadConfig}, but returns the problems. Invalid settings are undefined in the result, despite their type. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): {
  readonly config: Config;
  readonly problems: readonly string[];
} {
  const problems: string[] = [];
  const values = readSettings(env, problems);
  const production = values.NODE_ENV === 'production';
  const addresses = serverAddresses(values, problems);
  const tokens = tokenConfig(values, problems);
  if (production) {
    if (tokens.keys.kind === 'folder') {
      problems.push(
        'JWT_PRIVATE_KEY, JWT_PUBLIC_KEY, JWT_SECRET or JWT_JWKS_URL must be set when NODE_ENV is production',
      );
    }
    if (!values.ROLE_SECRET) problems.push('ROLE_SECRET must be set when NODE_ENV is production');
  }
  if (values.TENANT_CONNECTION_LIMIT !== undefined && values.TENANT_CONNECTION_LIMIT < values.TENANT_POOL_SIZE) {
    problems.push('TENANT_CONNECTION_LIMIT must be at least TENANT_POOL_SIZE, which one process may use');
  }
  if (values.PERSISTED_DOCUMENTS !== 'off' && values.PERSISTED_DOCUMENTS_PATH === undefined)
    problems.push('PERSISTED_DOCUMENTS_PATH must be set unless PERSISTED_DOCUMENTS is off');
  const names = [values.AUTH_DATABASE, values.CONSTANTS_DATABASE, values.SHARED_DATABASE];
  if (new Set(names).size < names.length) {
    problems.push('AUTH_DATABASE, CONSTANTS_DATABASE and SHARED_DATABASE must be three different names');
  }
  const config: Config = {
    environment: values.NODE_ENV,
    logLevel: values.LOG_LEVEL,
    processes: values.SERVER_PROCESSES,
    dataDir: values.DATA_DIR,
    http: {
      host: values.HOST,
      port: values.PORT,
      trustedProxies: values.TRUSTED_PROXIES,
      corsOrigins: values.CORS_ORIGINS ?? [],
      allowsLocalPages: values.NODE_ENV === 'development',
      console: values.CONSOLE,
      maxBodyBytes: values.MAX_BODY_BYTES,
      shutdownSeconds: values.SHUTDOWN_SECONDS,
    },
    graphql: {
      graphiql: values.GRAPHIQL ?? !production,
      introspection: values.INTROSPECTION ?? !production,
      persistedDocuments: values.PERSISTED_DOCUMENTS,
      persistedDocumentsPath: values.PERSISTED_DOCUMENTS_PATH,
      maxDocumentBytes: values.MAX_DOCUMENT_BYTES,
      maxDepth: values.MAX_QUERY_DEPTH,
      maxTokens: values.MAX_QUERY_TOKENS,
      maxFields: values.MAX_QUERY_FIELDS,
      maxAliases: values.MAX_QUERY_ALIASES,
      maxCost: values.MAX_QUERY_COST,
      maxAnswerObjects: values.MAX_ANSWER_OBJECTS,
      maxAnswerBytes: values.MAX_ANSWER_BYTES,
    },
    shares: {
      tenant: {
        operations: values.TENANT_OPERATIONS,
        costPerSecond: values.TENANT_COST_PER_SECOND,
        databaseMsPerSecond: values.TENANT_DATABASE_MS_PER_SECOND,
        subscriptions: values.TENANT_SUBSCRIPTIONS,
      },
      caller: {
        operations: values.CALLER_OPERATIONS,
        costPerSecond: values.CALLER_COST_PER_SECOND,
        databaseMsPerSecond: values.CALLER_DATABASE_MS_PER_SECOND,
        subscriptions: values.CALLER_SUBSCRIPTIONS,
      },
      waitMs: values.OPERATION_WAIT_MS,
    },
    ...addresses,
    databases: { auth: values.AUTH_DATABASE, constants: values.CONSTANTS_DATABASE, shared: values.SHARED_DATABASE },
    defaultIsolation: values.DEFAULT_ISOLATION === 'schema' ? 'SCHEMA' : 'DATABASE',
    roleSecret: values.ROLE_SECRET,
    connections: {
      budget: values.CONNECTION_BUDGET,
      isAnnounced: true,
      processes: 1,
      waitMs: values.CONNECTION_WAIT_MS,
      tenantPoolSize: values.TENANT_POOL_SIZE,
      tenantTransactionTimeoutMs: values.TENANT_TRANSACTION_TIMEOUT_MS,
      tenantBounds: {
        connectionLimit:
          values.TENANT_CONNECTION_LIMIT ?? values.TENANT_POOL_SIZE * Math.max(4, values.SERVER_PROCESSES),
        tempFileMb: values.TENANT_TEMP_FILE_MB,
        statementTimeoutMs: values.TENANT_STATEMENT_TIMEOUT_MS,
      },
      systemPoolSize: values.SYSTEM_POOL_SIZE,
      recycleSeconds: values.POOL_RECYCLE_SECONDS,
      idleSeconds: values.POOL_IDLE_SECONDS,
    },
    tokens,
    accounts: {
      signUp: values.SIGN_UP,
      accessTokenSeconds: values.ACCESS_TOKEN_SECONDS,
      sessionDays: values.SESSION_DAYS,
      ownTenants: values.OWN_TENANTS,
      hourlyLimits: {
        invitations: values.INVITATION_LIMIT,
        tenants: values.CREATE_TENANT_LIMIT,
        tenantsAtAddress: values.CREATE_TENANT_LIMIT_ADDRESS ?? 3 * values.CREATE_TENANT_LIMIT,
      },
      signInLimits: {
        perAccount: values.SIGN_IN_LIMIT_ACCOUNT,
        perAccountTotal: values.SIGN_IN_LIMIT_ACCOUNT_TOTAL ?? 10 * values.SIGN_IN_LIMIT_ACCOUNT,
        perAddress: values.SIGN_IN_LIMIT_ADDRESS,
      },
      trustedClaims: {
        tenant: values.TRUST_TENANT_CLAIM,
        admin: values.TRUST_ADMIN_CLAIM ?? true,
        adminOfProvider: values.TRUST_ADMIN_CLAIM ?? false,
        maxAdminTokenHours: values.MAX_ADMIN_TOKEN_HOURS,
      },
    },
    migrations: {
      tenantDir: values.TENANT_MIGRATIONS_DIR,
      commonDir: values.COMMON_MIGRATIONS_DIR,
      worker: values.WORKER,
      concurrency: values.MIGRATION_CONCURRENCY,
      lockTimeoutMs: values.MIGRATION_LOCK_TIMEOUT_MS,
      backfillBatchMs: values.BACKFILL_BATCH_MS,
    },
    checkpoints: { keep: values.CHECKPOINT_KEEP, maxAgeDays: values.CHECKPOINT_MAX_AGE_DAYS },
    files: fileConfig(values, problems),
    webhooks: {
      delivers: values.WORKER === 'inline',
      allowPrivate: values.WEBHOOK_PRIVATE_NETWORKS,
      retentionDays: values.WEBHOOK_RETENTION_DAYS,
    },
    driftCheckHours: values.DRIFT_CHECK_HOURS,
    retention: retentionConfig(values),
    metrics: metricsConfig(values, problems),
    slowRequestMs: values.SLOW_REQUEST_MS,
  };
  return { config, problems };
}
