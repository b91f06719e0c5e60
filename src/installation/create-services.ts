import type { EntityManager } from '@mikro-orm/postgresql';
import { Authenticator } from '../auth/authenticate.ts';
import { HourlyLimits } from '../auth/hourly-limits.ts';
import { createPasswords } from '../auth/passwords.ts';
import { RepeatedAudit } from '../auth/repeated-audit.ts';
import { SignInLimits } from '../auth/sign-in-limits.ts';
import { loadTokenKeys, publishedKeys } from '../auth/tokens/keys.ts';
import { createTokens } from '../auth/tokens/tokens.ts';
import { InProgress } from '../catalog/in-progress.ts';
import { type KnownTenant, TenantDirectory } from '../catalog/tenant-directory.ts';
import { RecentFindings } from '../doctor/recent-findings.ts';
import { searchProblems } from '../doctor/search.ts';
import { Impacts } from '../fleet/impact/impacts.ts';
import { FleetOverview } from '../fleet/overview/overview.ts';
import { Runs } from '../fleet/runs/runs.ts';
import { createHealthCheck } from '../health/check.ts';
import { HistoryRecordSchema } from '../migrator/files/history-entity.ts';
import { closeRefusedConnections } from '../routing/close-connections.ts';
import { explainConnectionError } from '../routing/connection-errors.ts';
import { PermissionCache } from '../routing/permission-cache.ts';
import { TenantConnections } from '../routing/tenant-connections.ts';
import { createRoleRenewal } from '../servers/renew-roles.ts';
import { TenantLoads } from '../telemetry/tenant-load.ts';
import { webhookSecrets } from '../webhooks/dispatcher.ts';
import { Webhooks } from '../webhooks/webhooks.ts';
import { neutralize, type Product, permissionsOf } from './product.ts';
import type { TenantServers } from './servers.ts';
import type { Services } from './services.ts';
import type { System } from './system.ts';

/**
 * Creates what requests and commands use.
 * @param stopping aborted when the server begins to stop
 * @param stack receives what must be closed
 * @throws {ConfigError} if the keys in the settings are invalid
 */
export async function createServices(
  system: System,
  all: TenantServers,
  product: Product,
  stopping: AbortSignal,
  stack: AsyncDisposableStack,
): Promise<Services> {
  const { config, log, meters, catalog, constants, listener } = system;
  const { servers, poolers } = all;
  const { accounts } = config;
  const keys = await loadTokenKeys(config.tokens.keys, config.dataDir);
  const tokens = createTokens(keys, config.tokens, log, meters);
  const directory = new TenantDirectory(catalog, listener);
  const tenants = connectTenants(system, all, product);
  closeRefusedConnections(directory, tenants, log);
  const { moduleServices } = system;
  const transfers = {
    ...all.provisioning,
    checkpoints: all.checkpoints,
    migrations: system.migrations,
    lockTimeoutMs: config.migrations.lockTimeoutMs,
    underWay: new InProgress(),
    neutralize: (tenant: KnownTenant) =>
      inTransactionOf(tenants, tenant, (em) => neutralize(product, em, moduleServices)),
  };
  return {
    ...all,
    config,
    log,
    startedAt: new Date(),
    stopping,
    catalog,
    constants,
    listener,
    directory,
    tenants,
    moduleServices,
    transfers,
    permissions: new PermissionCache({ tenants, permissionsOf: permissionsOf(product), catalog, listener, log }),
    migrations: system.migrations,
    tables: system.tables,
    runs: new Runs(catalog, system.migrations, servers, config.migrations.concurrency),
    fleet: new FleetOverview(catalog, system.migrations),
    impacts: new Impacts({
      servers,
      authDatabase: config.databases.auth,
      concurrency: config.migrations.concurrency,
      log,
    }),
    tokens,
    publishedKeys: publishedKeys(keys),
    authenticator: new Authenticator(catalog, listener, accounts.trustedClaims),
    hourlyLimits: new HourlyLimits(catalog, accounts.hourlyLimits),
    signInLimits: stack.use(new SignInLimits({ catalog, log, ...accounts.signInLimits })),
    devices: system.encryptionFor('devices'),
    repeatedAudit: new RepeatedAudit(catalog, log),
    accounts: { catalog, tokens, passwords: createPasswords(), ...accounts },
    webhooks: new Webhooks({
      catalog,
      encryption: system.encryptionFor(webhookSecrets),
      allowPrivate: config.webhooks.allowPrivate,
    }),
    doctor: new RecentFindings(() => searchProblems({ servers, config })),
    health: createHealthCheck({ catalog, constants, servers, poolers, listener, config }),
    meters,
    loads: new TenantLoads(),
  };
}

function connectTenants(system: System, { servers }: TenantServers, { modules }: Product): TenantConnections {
  const { config, log, catalog, listener, passwordOf, server: first } = system;
  const { tenantPoolSize, waitMs, tenantBounds } = config.connections;
  return new TenantConnections({
    servers,
    entities: [...modules.flatMap(({ entities }) => entities), HistoryRecordSchema],
    passwordOf,
    poolSize: tenantPoolSize,
    waitMs,
    statementTimeoutMs: tenantBounds.statementTimeoutMs,
    renewRole: createRoleRenewal({ catalog, listener, servers, first, log }),
    explain: (tenant, error) => explainConnectionError({ catalog, servers, log }, tenant, error),
  });
}

/** Runs work in a transaction as a tenant's role, whether the tenant is served or not, and closes the connection. */
async function inTransactionOf(
  tenants: TenantConnections,
  tenant: KnownTenant,
  work: (em: EntityManager) => Promise<void>,
): Promise<void> {
  const lease = tenants.lease(tenant);
  try {
    await lease.em.transactional(work);
  } finally {
    await lease.release();
    await tenants.close(tenant);
  }
}
