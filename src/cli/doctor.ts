import { access } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import type { Config, ServerAddress } from '../config.ts';
import type { PostgresServer } from '../postgres/server.ts';
import type { Leftover, LeftoverOptions } from '../provisioning/find-leftovers.ts';
import { Checklist, checkNode } from './checklist.ts';
import { openApp } from './open-app.ts';
import { showVersion } from './setup.ts';
import { type CommandContext, CommandExit, exitCode } from './terminal.ts';

/** `tenantry doctor`: looks for what is wrong. */
export function addDoctorCommand(program: Command, context: CommandContext): void {
  program
    .command('doctor')
    .description('Check what setup checks, and look for leftovers, changing nothing; ends with 1 if anything is wrong')
    .option('--fix', 'mend what can be mended without losing anything')
    .action(async ({ fix }: { fix?: true }) => {
      const list = new Checklist(context);
      checkNode(list);
      const { loadConfig } = await import('../config.ts');
      const config = loadConfig(context.env);
      list.good(`The settings can be used (${config.environment})`);
      if (list.problems === 0) await examine(context, config, list, fix ?? false);
      if (list.problems > 0) throw new CommandExit(exitCode.failure);
      context.stdout.write('All is well.\n');
    });
}

async function examine(context: CommandContext, config: Config, list: Checklist, fix: boolean): Promise<void> {
  await using stack = new AsyncDisposableStack();
  // As every start does: it makes the system databases and the template, and finishes half-created tenants.
  if (fix) stack.use(await openApp(context));
  const address = config.server ?? (await joinEmbedded(config, stack));
  if (!address) return list.bad(`There is no database in ${config.dataDir} yet`, 'tenantry setup makes one');
  const server = await openServer(stack, 'default', address);
  const { checkServer } = await import('../provisioning/check-server.ts');
  try {
    const { version } = await checkServer(server);
    list.good(`PostgreSQL ${showVersion(version)}, ${config.server ? `${address.host}:${address.port}` : 'built in'}`);
  } catch (error) {
    const { messageOf } = await import('../errors.ts');
    return list.bad(
      messageOf(error),
      'DATABASE_URL must name a PostgreSQL server that runs, and a role that may create databases and roles',
    );
  }
  if (!(await checkSystemDatabases(server, config, list))) return;
  const servers = new Map([[server.name, server], ...(await otherServers(stack, server, config, list))]);
  const { findLeftovers } = await import('../provisioning/find-leftovers.ts');
  const options: LeftoverOptions = { servers, first: server.name, databases: config.databases };
  const found = await findLeftovers(options);
  const left = fix ? await mend(options, found, list) : found;
  for (const { message, remedy } of left) list.bad(message, remedy);
  if (left.length === 0) list.good('There are no leftovers');
}

/** Undefined if there is no cluster: looking must not make one. */
async function joinEmbedded({ dataDir }: Config, stack: AsyncDisposableStack): Promise<ServerAddress | undefined> {
  const exists = await access(path.join(dataDir, 'embedded.json')).then(
    () => true,
    () => false,
  );
  if (!exists) return undefined;
  const { startEmbeddedPostgres } = await import('../postgres/embedded.ts');
  const { host, port, user, password } = stack.use(await startEmbeddedPostgres({ dataDir }));
  return { host, port, user, password, maintenanceDatabase: 'postgres', ssl: false };
}

async function openServer(stack: AsyncDisposableStack, name: string, address: ServerAddress): Promise<PostgresServer> {
  const { PostgresServer } = await import('../postgres/server.ts');
  const { pino } = await import('pino');
  const limits = { max: 20, reserved: 2, waitMs: 10_000, recycleMs: 3_600_000, idleMs: 60_000, systemPoolSize: 2 };
  return stack.use(new PostgresServer(name, address, { ...limits, log: pino({ level: 'silent' }) }));
}

async function checkSystemDatabases(server: PostgresServer, { databases }: Config, list: Checklist): Promise<boolean> {
  const { databaseExists } = await import('../postgres/databases.ts');
  const names = Object.values(databases);
  const missing: string[] = [];
  for (const name of names) {
    if (!(await server.admin((admin) => databaseExists(admin, name)))) missing.push(name);
  }
  if (missing.length === 0) list.good(`The databases ${names.join(', ')} are there`);
  else list.bad(`The database ${missing.join(', ')} is missing`, 'tenantry setup, or any start of a server, makes it');
  return missing.length === 0;
}

async function otherServers(
  stack: AsyncDisposableStack,
  first: PostgresServer,
  { databases, roleSecret, dataDir }: Config,
  list: Checklist,
): Promise<(readonly [string, PostgresServer])[]> {
  const { readFile } = await import('node:fs/promises');
  const { readServerRows } = await import('../catalog/server-rows.ts');
  const { parseServerUrl } = await import('../config.ts');
  const { createSecretBox } = await import('../secret-box.ts');
  const { checkServer } = await import('../provisioning/check-server.ts');
  const rows = await first.owner(databases.auth, readServerRows);
  const others: (readonly [string, PostgresServer])[] = [];
  for (const { name, url } of rows) {
    if (name === first.name || url === null) continue;
    try {
      const secret = roleSecret ?? (await readFile(path.join(dataDir, 'role-secret'), 'utf8'));
      const opened = createSecretBox(secret, 'servers.url').open(url, name);
      if (opened === undefined) throw new Error('its URL was stored with another ROLE_SECRET');
      const server = await openServer(stack, name, parseServerUrl(opened));
      await checkServer(server);
      others.push([name, server]);
      list.good(`The server ${name} answers`);
    } catch (error) {
      list.bad(
        `The server ${name}: ${error instanceof Error ? error.message : error}`,
        'tenantry server list tells more; its tenants were not looked at',
      );
    }
  }
  return others;
}

/** @returns what is left */
async function mend(
  { servers }: LeftoverOptions,
  leftovers: readonly Leftover[],
  list: Checklist,
): Promise<readonly Leftover[]> {
  const left: Leftover[] = [];
  for (const leftover of leftovers) {
    const { mend, message } = leftover;
    const server = mend && servers.get(mend.server);
    if (server) {
      await server.owner(mend.database, (client) => client.query(mend.sql));
      list.good(`Mended: ${message}`);
    } else left.push(leftover);
  }
  return left;
}
