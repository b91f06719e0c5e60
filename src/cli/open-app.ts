import { access } from 'node:fs/promises';
import path from 'node:path';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import type { Installation } from '../installation/open.ts';
import type { Services } from '../installation/services.ts';
import { messageOf } from '../lib/errors.ts';
import type { CommandContext } from './ui/terminal.ts';

/** What a command wants otherwise than the server has it. */
export interface OpenOptions {
  /** Whether this process carries out migration runs as long as the command takes; by default it leaves them to others. */
  readonly worker?: boolean;
  /** Tenants at once; by default as the settings say. */
  readonly concurrency?: number | undefined;
}

/**
 * Opens the installation that the settings name, as the server does: an embedded PostgreSQL that runs already is joined, else
 * it runs as long as the command. Nothing is logged, but for `--verbose`.
 * @throws {Error} that says what to do, if it cannot be opened
 */
export async function openApp(
  context: CommandContext,
  { worker = false, concurrency }: OpenOptions = {},
): Promise<Installation> {
  const { openInstallation: createApp } = await import('../installation/open.ts');
  const { describeFailure: explainFailure } = await import('../installation/start-failure.ts');
  const { loadUsableConfig } = await import('../config/load-config.ts');
  const config = await loadUsableConfig(context.env);
  const migrations = {
    ...config.migrations,
    worker: worker ? 'inline' : 'off',
    ...(concurrency && { concurrency }),
  } as const;
  try {
    return await createApp({ ...config, migrations }, await context.loadProduct(), await createLogger(context));
  } catch (error) {
    throw new Error(explainFailure(error, config.server), { cause: error });
  }
}

/** Lends what the installation offers, closes it afterwards, and has the command audited. */
export async function withServices<T>(context: CommandContext, work: (services: Services) => Promise<T>): Promise<T> {
  await using app = await openApp(context);
  const { services } = app;
  const { audited } = await import('./audit-command.ts');
  return await audited(context, services, () => work(services));
}

/**
 * Does what needs no database, and has it audited where there is one: without, or when it cannot be reached, which is told, it is
 * done all the same, and is given no services.
 */
export async function withAudit<T>(
  context: CommandContext,
  config: Config,
  work: (services?: Services) => Promise<T>,
): Promise<T> {
  if (!(await hasDatabase(config))) return work();
  let begun = false;
  try {
    return await withServices(context, (services) => {
      begun = true;
      return work(services);
    });
  } catch (error) {
    if (begun) throw error;
    context.stderr.write(`This cannot be written to the audit log: ${messageOf(error)}\n`);
    return work();
  }
}

/** Whether the settings name a PostgreSQL server, or an embedded one has been made. */
export async function hasDatabase({ server, dataDir }: Pick<Config, 'server' | 'dataDir'>): Promise<boolean> {
  if (server) return true;
  return access(path.join(dataDir, 'embedded.json')).then(
    () => true,
    () => false,
  );
}

/** The log of a command, which is silent but for `--verbose`. */
export async function createLogger({ stderr, verbose }: CommandContext): Promise<Logger> {
  const { pino } = await import('pino');
  if (!verbose) return pino({ level: 'silent' });
  const { default: pinoPretty } = await import('pino-pretty');
  const { logStatements } = await import('../postgres/sql/log-statements.ts');
  const log = pino({ level: 'debug' }, pinoPretty({ destination: stderr, colorize: false, sync: true }));
  logStatements(log);
  return log;
}
