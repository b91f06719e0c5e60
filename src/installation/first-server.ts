import { randomBytes } from 'node:crypto';
import { addAbortListener } from 'node:events';
import path from 'node:path';
import type { Logger } from 'pino';
import { FIRST_SERVER } from '../catalog/entities/database-server.entity.ts';
import { type Config, ConfigError } from '../config/config.ts';
import { firstBudget } from '../config/divide-budgets.ts';
import type { PoolerAddress, ServerAddress } from '../config/server-address.ts';
import { readOrCreateFile } from '../lib/files.ts';
import { PostgresServer } from '../postgres/server.ts';
import { connectFailure, PoolerAnsweredError, readServerFacts } from '../servers/check.ts';
import type { Meters } from '../telemetry/meters.ts';

/** Connections that tenants cannot use: the listener's, one to `auth` and one to the maintenance database. */
const RESERVED_CONNECTIONS = 3;

/** Creates a server object without connecting. */
export type OpenServer = (
  name: string,
  address: ServerAddress | undefined,
  budget: number,
  pooler: PoolerAddress | undefined,
) => PostgresServer;

/** Returns a function that opens servers with the settings for connections. */
export function serverOpener({ connections, adminServer }: Config, log: Logger, meters: Meters): OpenServer {
  return (name, address, budget, pooler) =>
    new PostgresServer(name, address, {
      max: budget,
      reserved: RESERVED_CONNECTIONS,
      waitMs: connections.waitMs,
      // Other processes release connections when this one needs them.
      growMs: connections.budget === 'auto' ? connections.waitMs : 0,
      recycleMs: connections.recycleSeconds * 1000,
      idleMs: connections.idleSeconds * 1000,
      systemPoolSize: connections.systemPoolSize,
      // The URL of an added server names the role that creates, migrates and deletes there.
      admin: name === FIRST_SERVER ? adminServer : undefined,
      pooler,
      log,
      meters,
    });
}

/** The server that the settings name, or the embedded one. */
export interface FirstServer {
  readonly server: PostgresServer;
  /** Stops listening to the signal. */
  readonly cancelling: Disposable | undefined;
  /** From now on failures of its connections are logged. */
  logFailures(): void;
}

/**
 * Opens the server that the settings name, or starts the embedded one.
 * @param stack receives what must be closed
 * @param signal ends the start of the embedded server, and later closes the connections
 */
export async function openFirstServer(
  config: Config,
  { log, meters }: { readonly log: Logger; readonly meters: Meters },
  stack: AsyncDisposableStack,
  signal: AbortSignal | undefined,
): Promise<FirstServer> {
  const address = config.server ?? (await startEmbedded(config, log, stack, signal));
  signal?.throwIfAborted();
  const ownLog = log.child({}, { level: 'silent' });
  const open = serverOpener(config, ownLog, meters);
  const server = stack.use(open(FIRST_SERVER, address, firstBudget(config.connections.budget), config.pooler));
  return {
    server,
    cancelling: signal && addAbortListener(signal, () => void server[Symbol.asyncDispose]()),
    logFailures: () => {
      ownLog.level = log.level;
    },
  };
}

/**
 * Finds out whether this process may administer the server. If not, the server object rejects that from now on.
 * @throws {ConfigError} if the roles of the settings lack the needed privileges, or the settings name two servers
 */
export async function settleAdmin(server: PostgresServer, config: Config): Promise<void> {
  const { server: address, adminServer } = config;
  // The embedded server has only a superuser.
  if (!address) return;
  const { mayCreateDatabases, mayCreateRoles, ...facts } = await readServerFacts(server).catch((error: unknown) => {
    if (!adminServer || error instanceof PoolerAnsweredError) throw refusePooler(error, adminServer);
    throw new ConfigError([`ADMIN_DATABASE_URL cannot be used: ${connectFailure(error)}`]);
  });
  const mayAdminister = mayCreateDatabases && mayCreateRoles;
  const needs = `The role ${(adminServer ?? address).user} needs CREATEDB and CREATEROLE`;
  if (adminServer) {
    const serving = await readServerFacts(server, 'serving').catch((error: unknown) => {
      throw refusePooler(error, undefined);
    });
    if (serving.systemIdentifier !== facts.systemIdentifier || serving.isStandby !== facts.isStandby) {
      throw new ConfigError([
        'ADMIN_DATABASE_URL and DATABASE_URL name different servers; they must name the same one',
      ]);
    }
    if (!mayAdminister) throw new ConfigError([`${needs}, because ADMIN_DATABASE_URL names it`]);
    return;
  }
  if (mayAdminister) return;
  if (config.migrations.worker === 'inline') {
    throw new ConfigError([
      `${needs}, or ADMIN_DATABASE_URL must name another role that has them. A process that only serves does not need them: set WORKER=off`,
    ]);
  }
  server.renounceAdmin();
}

/** Behind a pooler, listening, locks and settings of a session get lost. Other errors are returned as they are. */
function refusePooler(error: unknown, adminServer: ServerAddress | undefined): unknown {
  if (!(error instanceof PoolerAnsweredError)) return error;
  const name = adminServer ? 'ADMIN_DATABASE_URL' : 'DATABASE_URL';
  return new ConfigError([
    `${name} ${error.message}: set it to PostgreSQL itself, and DATABASE_POOLER_URL to the pooler`,
  ]);
}

/**
 * Starts the embedded server, or joins the one that runs.
 * @param stack stops it, if it was started here
 */
export async function startEmbedded(
  { dataDir }: Pick<Config, 'dataDir'>,
  log: Logger,
  stack: AsyncDisposableStack,
  signal: AbortSignal | undefined,
): Promise<ServerAddress> {
  const { startEmbeddedPostgres } = await import('../postgres/embedded/start.ts');
  const onLog = (line: string) => log.info(line);
  const { host, port, user, password } = stack.use(await startEmbeddedPostgres({ dataDir, onLog, signal }));
  return { host, port, user, password, maintenanceDatabase: 'postgres', ssl: false };
}

/** Returns the secret from which roles' passwords are derived. In development it is created in DATA_DIR. */
export async function roleSecretOf({ roleSecret, dataDir }: Config): Promise<string> {
  return roleSecret ?? readOrCreateFile(path.join(dataDir, 'role-secret'), () => randomBytes(48).toString('base64url'));
}
