import { InProgress } from '../catalog/in-progress.ts';
import { Maintenance } from '../checkpoints/maintenance.ts';
import { ProcessBudgets } from '../servers/budgets/process-budgets.ts';
import { checkPooler } from '../servers/poolers/check-pooler.ts';
import { PoolerWatch } from '../servers/poolers/watch.ts';
import { Provisioner } from '../servers/provisioner.ts';
import { ServerRegistry } from '../servers/registry.ts';
import { RecurringProblems } from '../tenants/recurring-problems.ts';
import { serverOpener } from './first-server.ts';
import { filesOf, type Product } from './product.ts';
import type { Services } from './services.ts';
import type { System } from './system.ts';

/** The servers, and what creates, copies and removes tenants on them. */
export type TenantServers = Pick<Services, 'servers' | 'poolers' | 'provisioning' | 'checkpoints'>;

/**
 * Opens the servers of the catalog.
 * @param stack receives what must be closed
 * @throws {ForeignDatabaseError} if the shared database of the first one belongs to something else
 */
export async function openServers(
  system: System,
  product: Product,
  stack: AsyncDisposableStack,
): Promise<TenantServers> {
  const { config, log, server: first, catalog, listener, roles, passwordOf, migrations } = system;
  const { connections, databases } = config;
  const forAll = {
    authDatabase: databases.auth,
    sharedDatabase: databases.shared,
    roles,
    passwordOf,
    migrations,
    bounds: connections.tenantBounds,
    systemPoolSize: connections.systemPoolSize,
    lockTimeoutMs: config.migrations.lockTimeoutMs,
    log,
  };
  const servers = stack.use(
    new ServerRegistry({
      catalog,
      listener,
      encryption: system.encryptionFor('servers.url'),
      first,
      defaultBudget: connections.budget,
      processes: connections.processes,
      openServer: serverOpener(config, log, system.meters),
      provisionerFor: (server) => new Provisioner(server, forAll),
      checkPooler: (server) => checkPooler(server, forAll),
      log,
    }),
  );
  await servers.start();
  if (connections.isAnnounced) await stack.use(new ProcessBudgets({ catalog, listener, servers, log })).start();
  return {
    servers,
    poolers: stack.use(new PoolerWatch({ ...forAll, servers })),
    provisioning: {
      catalog,
      listener,
      servers,
      defaultIsolation: config.defaultIsolation,
      sharedDatabase: databases.shared,
      retentionDays: config.retention.tenantDays,
      inProgress: new InProgress(),
      files: () => filesOf(product, system.moduleServices),
      problems: new RecurringProblems(log),
      log,
    },
    checkpoints: {
      catalog,
      servers,
      listener,
      building: new InProgress(),
      maintenance: new Maintenance({ catalog, servers, listener, log }),
      limits: config.checkpoints,
      log,
    },
  };
}
