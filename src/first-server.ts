import { randomBytes } from 'node:crypto';
import { addAbortListener } from 'node:events';
import path from 'node:path';
import type { Logger } from 'pino';
import { FIRST_SERVER } from './catalog/database-server.entity.ts';
import type { Config, ServerAddress } from './config.ts';
import { PostgresServer } from './postgres/server.ts';
import { readOrCreateFile } from './read-or-create-file.ts';

/** Connections that tenants cannot take: the listener, one to `auth` and one to the maintenance database. */
const RESERVED_CONNECTIONS = 3;

/** Makes the server of a name; nothing connects yet. */
export type OpenServer = (name: string, address: ServerAddress | undefined, budget: number) => PostgresServer;

/** How servers are opened, by what the settings say of connections. */
export function serverOpener({ connections }: Config, log: Logger): OpenServer {
  return (name, address, budget) =>
    new PostgresServer(name, address, {
      max: budget,
      reserved: RESERVED_CONNECTIONS,
      waitMs: connections.waitMs,
      recycleMs: connections.recycleSeconds * 1000,
      idleMs: connections.idleSeconds * 1000,
      systemPoolSize: connections.systemPoolSize,
      log,
    });
}

/**
 * Opens the server that the settings name, or starts the embedded one.
 * @param stack gets what is to be closed
 * @param signal ends the start of the embedded one, and afterwards the connections
 * @returns the server, and what stops listening to the signal
 */
export async function openFirstServer(
  config: Config,
  open: OpenServer,
  log: Logger,
  stack: AsyncDisposableStack,
  signal: AbortSignal | undefined,
): Promise<{ readonly server: PostgresServer; readonly cancelling: Disposable | undefined }> {
  const address = config.server ?? (await startEmbedded(config, log, stack, signal));
  signal?.throwIfAborted();
  const server = stack.use(open(FIRST_SERVER, address, config.connections.budget));
  return { server, cancelling: signal && addAbortListener(signal, () => void server[Symbol.asyncDispose]()) };
}

async function startEmbedded(
  { dataDir }: Config,
  log: Logger,
  stack: AsyncDisposableStack,
  signal: AbortSignal | undefined,
): Promise<ServerAddress> {
  const { startEmbeddedPostgres } = await import('./postgres/embedded.ts');
  const onLog = (line: string) => log.info(line);
  const { host, port, user, password } = stack.use(await startEmbeddedPostgres({ dataDir, onLog, signal }));
  return { host, port, user, password, maintenanceDatabase: 'postgres', ssl: false };
}

/** The secret from which the passwords of roles are derived; in development one is made in DATA_DIR. */
export async function roleSecretOf({ roleSecret, dataDir }: Config): Promise<string> {
  return roleSecret ?? readOrCreateFile(path.join(dataDir, 'role-secret'), () => randomBytes(48).toString('base64url'));
}
