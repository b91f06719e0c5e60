import { access } from 'node:fs/promises';
import path from 'node:path';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import type { Installation } from '../installation/open.ts';
import type { Services } from '../installation/services.ts';
import { messageOf } from '../lib/errors.ts';
import type { CommandContext } from './ui/terminal.ts';

/** How a command opens the installation differently from the server. */
export interface OpenOptions {
  /** Whether this process carries out migration runs while the command runs. Defaults to false. */
  readonly worker?: boolean;
  /** The number of tenants to migrate concurrently. Defaults to the setting. */
  readonly concurrency?: number | undefined;
}

/**
 * Opens the installation as the server does. It joins an embedded PostgreSQL that is already running, or starts one for the
 * duration of the command. Logs only with `--verbose`.
 * @throws {Error} that says what to do if the installation cannot be opened
 */
export async function openApp(
  context: CommandContext,
  { worker = false, concurrency }: OpenOptions = {},
): Promise<Installation> {
  const { openInstallation } = await import('../installation/open.ts');
  const { describeFailure } = await import('../installation/start-failure.ts');
  const { loadUsableConfig } = await import('../config/usable-config.ts');
  const config = await loadUsableConfig(context.env);
  const migrations = {
    ...config.migrations,
    worker: worker ? 'inline' : 'off',
    ...(concurrency && { concurrency }),
  } as const;
  // A machine that only runs commands may not reach the receivers, and a command ends before long work does.
  const webhooks = { ...config.webhooks, delivers: false };
  const connections = { ...config.connections, isAnnounced: worker };
  const adapted = { ...config, migrations, webhooks, connections, driftCheckHours: 0 };
  try {
    return await openInstallation(adapted, await context.loadProduct(), await createLogger(context));
  } catch (error) {
    throw new Error(describeFailure(error, config.server), { cause: error });
  }
}

/** Opens the installation for the duration of `work`, and writes the command to the audit log. */
export async function withServices<T>(context: CommandContext, work: (services: Services) => Promise<T>): Promise<T> {
  await using app = await openApp(context);
  const { services } = app;
  const { audited } = await import('./audit-command.ts');
  return await audited(context, services, () => work(services));
}

/**
 * Runs work that needs no database, and writes the command to the audit log if there is one. If there is no database, or it
 * cannot be reached, which is reported, the work runs anyway, without services.
 */
export async function withAudit<T>(
  context: CommandContext,
  config: Config,
  work: (services?: Services) => Promise<T>,
): Promise<T> {
  if (!(await hasDatabase(config))) return work();
  let hasStarted = false;
  try {
    return await withServices(context, (services) => {
      hasStarted = true;
      return work(services);
    });
  } catch (error) {
    if (hasStarted) throw error;
    context.stderr.write(`Cannot write this command to the audit log: ${messageOf(error)}\n`);
    return work();
  }
}

/** Whether the settings name a PostgreSQL server or an embedded one exists. */
export async function hasDatabase({ server, dataDir }: Pick<Config, 'server' | 'dataDir'>): Promise<boolean> {
  if (server) return true;
  return access(path.join(dataDir, 'embedded.json')).then(
    () => true,
    () => false,
  );
}

/** Creates the log of a command, which is silent without `--verbose`. */
export async function createLogger({ stderr, verbose }: CommandContext): Promise<Logger> {
  const { pino } = await import('pino');
  if (!verbose) return pino({ level: 'silent' });
  const { default: pinoPretty } = await import('pino-pretty');
  const { logStatements } = await import('../postgres/sql/log-statements.ts');
  const log = pino({ level: 'debug' }, pinoPretty({ destination: stderr, colorize: false, sync: true }));
  logStatements(log);
  return log;
}
