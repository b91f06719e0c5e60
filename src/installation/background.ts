import { startDriftChecks } from '../fleet/drift/timed-check.ts';
import { startRetention } from '../fleet/retention/timed-drop.ts';
import { OwnerConnections } from '../fleet/worker/owner-connections.ts';
import { Worker } from '../fleet/worker/worker.ts';
import { reportLoads } from '../monitoring/report-loads.ts';
import { startUsageRefresh } from '../monitoring/usage/refresh.ts';
import { reportLastRequests } from '../monitoring/usage/report-requests.ts';
import type { InstallationRoles } from '../routing/placement.ts';
import { LATE_MS } from '../routing/tenant-connections.ts';
import { watchSessions } from '../servers/watch-sessions.ts';
import { TransferWorker } from '../transfers/worker.ts';
import { Dispatcher, webhookSecrets } from '../webhooks/dispatcher.ts';
import { startRecovery } from './recovery.ts';
import type { Services } from './services.ts';
import type { System } from './system.ts';

/** The work that no request starts. */
export interface Background {
  /** Undefined if this process carries out no runs. */
  readonly worker: Worker | undefined;
  /** See `Installation.prepared`. */
  readonly prepared: Promise<string | undefined>;
}

/**
 * Starts the worker of migration runs and the delivery of webhooks, if the settings ask for them. If this process may
 * administer the server, it also starts the recovery of interrupted work, the watch over tenants' sessions and timed checks.
 * @param stack receives what must be stopped
 */
export function startBackground(system: System, services: Services, stack: AsyncDisposableStack): Background {
  const { connections } = system.config;
  const isWorking = system.config.migrations.worker === 'inline';
  const worker = isWorking ? stack.use(createWorker(services, system.roles)) : undefined;
  worker?.start();
  if (system.config.webhooks.delivers) stack.use(createDispatcher(system)).start();
  // Commands end soon, and doctor tries the poolers.
  if (connections.isAnnounced) services.poolers.start();
  stack.use(reportLoads({ ...services, instance: services.listener.instance }));
  stack.use(reportLastRequests(services.catalog, services.loads.lastRequests, services.log));
  if (!system.server.canAdminister) {
    return { worker, prepared: Promise.resolve('This process only serves, and creates no tenants.') };
  }
  if (isWorking) stack.use(new TransferWorker(services.transfers)).start();
  const recovery = stack.use(startRecovery(services));
  const { catalog, servers, log } = services;
  const limits = {
    statementMs: connections.tenantBounds.statementTimeoutMs + LATE_MS,
    transactionMs: connections.tenantTransactionTimeoutMs,
  };
  stack.use(watchSessions({ catalog, servers, roles: system.roles, limits, log }));
  const { files } = services.provisioning;
  if (isWorking) stack.use(startUsageRefresh({ catalog, servers, files, log }));
  if (isWorking)
    stack.use(
      startRetention({
        server: system.server,
        database: system.config.databases.auth,
        ages: system.config.retention,
        log,
      }),
    );
  if (isWorking && system.config.driftCheckHours > 0) stack.use(startTimedChecks(services));
  // Both run the tenants' migrations, which may take any time, so requests must not wait for them.
  const prepared = Promise.all([servers.prepareFirst(), recovery.first]).then(([problem]) => problem);
  return { worker, prepared };
}

function createWorker(
  { config, catalog, listener, servers, migrations, checkpoints, log, meters }: Services,
  roles: InstallationRoles,
): Worker {
  const { concurrency, lockTimeoutMs, backfillBatchMs } = config.migrations;
  const owner = new OwnerConnections(servers, concurrency);
  return new Worker({
    catalog,
    listener,
    migrations,
    roles,
    concurrency,
    lockTimeoutMs,
    backfillBatchMs,
    stopMs: config.http.shutdownSeconds * 1000,
    connect: (tenant, work, signal) => owner.use(tenant, work, signal),
    downForMs: (server) => servers.get(server)?.downForMs ?? 0,
    checkpoints,
    log,
    meters,
  });
}

function startTimedChecks({ config, catalog, listener, servers, tables, migrations, log }: Services): AsyncDisposable {
  return startDriftChecks({
    catalog,
    listener,
    servers,
    tables: tables.TENANT,
    migrations: migrations.tenant,
    hours: config.driftCheckHours,
    log,
  });
}

function createDispatcher({ config, catalog, listener, encryptionFor, log }: System): Dispatcher {
  const encryption = encryptionFor(webhookSecrets);
  return new Dispatcher({ catalog, listener, encryption, ...config.webhooks, log });
}
