import type { Logger } from 'pino';
import { Authenticator } from '../auth/authenticate.ts';
import { HourlyLimits } from '../auth/hourly-limits.ts';
import { createPasswords } from '../auth/passwords.ts';
import { RepeatedAudit } from '../auth/repeated-audit.ts';
import { SignInLimits } from '../auth/sign-in-limits.ts';
import { loadTokenKeys, publishedKeys } from '../auth/tokens/keys.ts';
import { createTokens } from '../auth/tokens/tokens.ts';
import { openCatalog } from '../catalog/catalog.ts';
import { TenantDirectory } from '../catalog/tenant-directory.ts';
import type { CheckpointsOptions } from '../checkpoints/checkpoints.ts';
import { Maintenance } from '../checkpoints/maintenance.ts';
import type { Config } from '../config/config.ts';
import { OwnerConnections } from '../fleet/worker/owner-connections.ts';
import { Worker } from '../fleet/worker/worker.ts';
import { createHealthCheck } from '../health/check.ts';
import { createEncryption } from '../lib/encryption.ts';
import { HistoryRecordSchema } from '../migrator/files/history-entity.ts';
import { createEntityDatabases, entityTypes } from '../orm/databases.ts';
import { derivePasswords } from '../postgres/admin/roles.ts';
import { Listener } from '../postgres/listener.ts';
import { closeRefusedConnections } from '../routing/close-connections.ts';
import { explainConnectionError } from '../routing/connection-errors.ts';
import { PermissionCache } from '../routing/permission-cache.ts';
import { installationRoles } from '../routing/placement.ts';
import { LATE_MS, TenantConnections } from '../routing/tenant-connections.ts';
import { checkSystemDatabases } from '../servers/check-system-databases.ts';
import { Provisioner } from '../servers/provisioner.ts';
import { ServerRegistry } from '../servers/registry.ts';
import { createRoleRenewal } from '../servers/renew-roles.ts';
import { setUpSystemDatabases } from '../servers/system-databases.ts';
import { TemplateDatabase } from '../servers/template.ts';
import { watchSessions } from '../servers/watch-sessions.ts';
import type { ProvisioningOptions } from '../tenants/options.ts';
import { openFirstServer, roleSecretOf, serverOpener, settleAdmin } from './first-server.ts';
import { constantsEntities, createMigrationLines } from './migration-lines.ts';
import { type Product, permissionsOf } from './product.ts';
import { startRecovery } from './recovery.ts';
import type { Services } from './services.ts';

/** A running installation; `await using` ends it. */
export interface Installation extends AsyncDisposable {
  readonly services: Services;
  /**
   * Resolves, and never rejects, when tenants can be created as fast as they should, and those are finished or removed whose
   * creation was cut short; to why no tenant can be created, if that was found out.
   */
  readonly prepared: Promise<string | undefined>;
  /** Begins to stop: the server is not ready any more, and streams end. */
  beginStop(): void;
}

/** How long `auth` and `constants`, which nobody asks for much at once, may leave a statement unanswered, in milliseconds. */
const SYSTEM_SILENCE_MS = 30_000;

/**
 * Builds everything, in the order in which things need each other; disposing of it closes them in reverse.
 * @param product what is built on the platform
 * @param signal ends the start: it fails soon then, and what has been started is stopped
 * @throws {ConfigError} if the settings cannot be used
 */
export async function openInstallation(
  config: Config,
  product: Product,
  log: Logger,
  signal?: AbortSignal,
): Promise<Installation> {
  await using stack = new AsyncDisposableStack();
  const { connections, databases } = config;
  const openServer = serverOpener(config, log);
  const firstLog = log.child({}, { level: 'silent' });
  const openFirst = serverOpener(config, firstLog);
  const { server, cancelling } = await openFirstServer(config, openFirst, log, stack, signal);
  // Whatever the start waits for below, PostgreSQL is to answer.
  using _cancelling = cancelling;
  const roleSecret = await roleSecretOf(config);
  const passwordOf = derivePasswords(roleSecret);
  const roles = installationRoles(databases.auth);
  const lines = createMigrationLines(config.migrations, product);
  const migrations = {
    auth: lines.auth.folder,
    constants: lines.constants.folder,
    common: lines.common.folder,
    tenant: lines.tenant.folder,
  };
  const { lockTimeoutMs } = config.migrations;
  await settleAdmin(server, config);
  if (server.canAdminister) {
    await setUpSystemDatabases({
      server,
      databases,
      roles,
      passwordOf,
      authMigrations: migrations.auth,
      constantsMigrations: migrations.constants,
      lockTimeoutMs,
      log,
    });
  }
  // Until now, that the server does not answer ends the start, with an error that says so.
  firstLog.level = log.level;
  const systemPool = (database: string, max = connections.systemPoolSize) =>
    server.pool({
      database,
      role: { name: roles.app, password: passwordOf(roles.app) },
      max,
      priority: 'system',
      silenceMs: SYSTEM_SILENCE_MS,
      types: entityTypes,
    });
  const authLane = systemPool(databases.auth);
  const constantsPool = systemPool(databases.constants);
  if (!server.canAdminister) {
    await checkSystemDatabases([
      { name: databases.auth, pool: authLane, migrations: migrations.auth },
      { name: databases.constants, pool: constantsPool, migrations: migrations.constants },
    ]);
  }
  const catalog = openCatalog(authLane, [HistoryRecordSchema]);
  const constants = {
    ...createEntityDatabases([...constantsEntities, HistoryRecordSchema]).open(constantsPool),
    pool: constantsPool,
  };
  const listener = stack.use(new Listener(systemPool(databases.auth, 1), log));
  await listener.start();
  const servers = stack.use(
    new ServerRegistry({
      catalog,
      listener,
      encryption: createEncryption(roleSecret, 'servers.url'),
      first: server,
      defaultBudget: connections.budget,
      openServer,
      provisionerFor: (on) =>
        new Provisioner({
          server: on,
          sharedDatabase: databases.shared,
          roles,
          passwordOf,
          template: new TemplateDatabase({
            server: on,
            authDatabase: databases.auth,
            grantee: roles.databaseTenants,
            lockTimeoutMs,
            log,
          }),
          migrations,
          bounds: connections.tenantBounds,
          systemPoolSize: connections.systemPoolSize,
          lockTimeoutMs,
          log,
        }),
      log,
    }),
  );
  await servers.start();
  const provisioning: ProvisioningOptions = {
    catalog,
    listener,
    servers,
    defaultIsolation: config.defaultIsolation,
    sharedDatabase: databases.shared,
    inProgress: new Set(),
    log,
  };
  const { concurrency } = config.migrations;
  const maintenance = new Maintenance({ catalog, servers, listener, log });
  const checkpoints: CheckpointsOptions = { catalog, servers, maintenance, limits: config.checkpoints, log };
  const owner = new OwnerConnections(servers, concurrency);
  let worker: Worker | undefined;
  if (config.migrations.worker === 'inline') {
    worker = stack.use(
      new Worker({
        catalog,
        listener,
        migrations,
        roles,
        concurrency,
        lockTimeoutMs,
        stopMs: config.http.shutdownSeconds * 1000,
        connect: (tenant, work, signal) => owner.use(tenant, work, signal),
        checkpoints,
        log,
      }),
    );
    worker.start();
  }
  const stopping = new AbortController();
  let prepared: Promise<string | undefined> = Promise.resolve('This process only serves, and creates no tenants.');
  if (server.canAdminister) {
    const recovery = stack.use(startRecovery({ provisioning, checkpoints, stopping: stopping.signal, log }));
    const limits = {
      statementMs: connections.tenantStatementTimeoutMs + LATE_MS,
      transactionMs: connections.tenantTransactionTimeoutMs,
    };
    stack.use(watchSessions({ catalog, servers, roles, limits, log }));
    // Both run the tenants' migrations, which may take any time: nobody who is served has to wait for them.
    prepared = Promise.all([servers.prepareFirst(), recovery.first]).then(([problem]) => problem);
  }
  const keys = await loadTokenKeys(config.tokens.keys, config.dataDir);
  const tokens = createTokens(keys, config.tokens, log);
  const directory = new TenantDirectory(catalog, listener);
  const tenants = new TenantConnections({
    servers,
    entities: [...product.modules.flatMap((module) => module.entities), HistoryRecordSchema],
    passwordOf,
    poolSize: connections.tenantPoolSize,
    waitMs: connections.waitMs,
    statementTimeoutMs: connections.tenantStatementTimeoutMs,
    renewRole: createRoleRenewal({ catalog, listener, servers, first: server, log }),
    explain: (tenant, error) => explainConnectionError({ catalog, servers, log }, tenant, error),
  });
  closeRefusedConnections(directory, tenants, log);
  const services: Services = {
    config,
    log,
    startedAt: new Date(),
    stopping: stopping.signal,
    servers,
    catalog,
    constants,
    listener,
    directory,
    tenants,
    permissions: new PermissionCache({ tenants, permissionsOf: permissionsOf(product), catalog, listener, log }),
    provisioning,
    migrations,
    tables: {
      AUTH: lines.auth.tables,
      CONSTANTS: lines.constants.tables,
      COMMON: lines.common.tables,
      TENANT: lines.tenant.tables,
    },
    runs: { catalog, common: migrations.common },
    checkpoints,
    tokens,
    publishedKeys: publishedKeys(keys),
    authenticator: new Authenticator(catalog, listener, config.accounts.trustedClaims),
    hourlyLimits: new HourlyLimits(catalog, config.accounts.hourlyLimits),
    signInLimits: stack.use(new SignInLimits({ catalog, log, ...config.accounts.signInLimits })),
    devices: createEncryption(roleSecret, 'devices'),
    repeatedAudit: new RepeatedAudit(catalog, log),
    accounts: { catalog, tokens, passwords: createPasswords(), ...config.accounts },
    health: createHealthCheck({ catalog, constants, servers, listener, config }),
  };
  const built = stack.move();
  return {
    services,
    prepared,
    beginStop: () => {
      stopping.abort();
      // Its time runs together with that of the requests under way; it is waited for when the app is disposed of.
      void worker?.stop();
    },
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await built.disposeAsync();
    },
  };
}
