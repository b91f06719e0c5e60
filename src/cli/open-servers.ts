import path from 'node:path';
import type { Config } from '../config/config.ts';
import type { PoolerAddress, ServerAddress } from '../config/server-address.ts';
import type { LeftoverOptions } from '../doctor/find-leftovers.ts';
import { messageOf } from '../lib/errors.ts';
import type { PostgresServer } from '../postgres/server.ts';
import type { Together } from '../servers/budgets/store.ts';
import { showVersion } from './commands/setup.ts';
import { hasDatabase } from './open-app.ts';
import type { Checklist } from './ui/checklist.ts';

/** Opens all servers that can be checked. Returns undefined if there is nothing to check. */
export async function openServers(
  config: Config,
  list: Checklist,
  stack: AsyncDisposableStack,
): Promise<Pick<LeftoverOptions, 'servers' | 'first'> | undefined> {
  const address = config.adminServer ?? config.server ?? (await joinEmbedded(config, stack));
  if (!address)
    return void list.bad(`There is no database in ${config.dataDir} yet`, 'Run tenantry setup to create one');
  const server = await openServer(stack, 'default', address, config.pooler);
  const { checkServer } = await import('../servers/check.ts');
  try {
    const { version } = await checkServer(server);
    list.good(`PostgreSQL ${showVersion(version)}, ${config.server ? `${address.host}:${address.port}` : 'built in'}`);
  } catch (error) {
    return void list.bad(
      `PostgreSQL at ${address.host}:${address.port}: ${messageOf(error)}`,
      `${config.adminServer ? 'ADMIN_DATABASE_URL' : 'DATABASE_URL'} must name a running PostgreSQL server and a role that may create databases and roles`,
    );
  }
  await checkRights(server, config, list);
  await checkQueue(server, list);
  const hasDatabases =
    (await checkSystemDatabases(server, config, list)) &&
    (await checkOwners(server, Object.values(config.databases), config, list));
  const { readTogether } = await import('../servers/budgets/store.ts');
  const budgets: Budgets = hasDatabases ? await server.owner(config.databases.auth, readTogether) : new Map();
  await checkBudget(server, config, budgets, list);
  if (!hasDatabases) return undefined;
  return {
    servers: new Map([[server.name, server], ...(await otherServers(stack, server, config, budgets, list))]),
    first: server.name,
  };
}

/** Returns undefined if there is no cluster: a check must not create one. */
async function joinEmbedded({ dataDir }: Config, stack: AsyncDisposableStack): Promise<ServerAddress | undefined> {
  if (!(await hasDatabase({ server: undefined, dataDir }))) return undefined;
  const { startEmbeddedPostgres } = await import('../postgres/embedded/start.ts');
  const { host, port, user, password } = stack.use(await startEmbeddedPostgres({ dataDir }));
  return { host, port, user, password, maintenanceDatabase: 'postgres', ssl: false };
}

async function openServer(
  stack: AsyncDisposableStack,
  name: string,
  address: ServerAddress,
  pooler: PoolerAddress | undefined,
): Promise<PostgresServer> {
  const { PostgresServer } = await import('../postgres/server.ts');
  const { pino } = await import('pino');
  const limits = { max: 20, reserved: 2, waitMs: 10_000, recycleMs: 3_600_000, idleMs: 60_000, systemPoolSize: 2 };
  return stack.use(new PostgresServer(name, address, { ...limits, pooler, log: pino({ level: 'silent' }) }));
}

/** What all processes may take together, by server. */
type Budgets = ReadonlyMap<string, Together>;

/** @param own the server's own budget, if it has one */
async function checkBudget(
  server: PostgresServer,
  { connections, databases }: Config,
  budgets: Budgets,
  list: Checklist,
  own: number | null = null,
): Promise<void> {
  const { findBudgetProblem, findSharedBudgetProblem, findTightLimits } = await import(
    '../servers/connection-headroom.ts'
  );
  const together = budgets.get(server.name);
  const budget = own ?? connections.budget;
  const fixed = budget === 'auto' ? 0 : budget;
  await server.admin(async (admin) => {
    const alone = await findBudgetProblem(admin, server.name, fixed);
    if (alone) list.bad(alone.message, alone.remedy);
    // Warnings, because no process must ever need all that it may take.
    const most = together?.connections ?? fixed;
    const shared = await findSharedBudgetProblem(admin, server.name, together);
    const tight = await findTightLimits(admin, server.name, Object.values(databases), most);
    for (const problem of [...(shared ? [shared] : []), ...tight]) list.doubt(`${problem.message}. ${problem.remedy}`);
  });
}

/** These are warnings, not problems, because only a role with more privileges can fix them. */
async function checkRights(
  server: PostgresServer,
  { migrations }: Pick<Config, 'migrations'>,
  list: Checklist,
  where = '',
): Promise<void> {
  const { findOptionalRights } = await import('../servers/rights/optional-rights.ts');
  const { lockTimeoutMs } = migrations;
  const missing = await server.admin((admin) => findOptionalRights(admin, { where, lockTimeoutMs }));
  for (const { message, remedy } of missing) list.doubt(`${message}. ${remedy}`);
}

/** @returns whether the admin may look into the databases of the installation, and change its roles */
async function checkOwners(
  server: PostgresServer,
  names: readonly string[],
  { databases }: Pick<Config, 'databases'>,
  list: Checklist,
): Promise<boolean> {
  const { findForeignObjects } = await import('../servers/rights/foreign-objects.ts');
  const { installationRoles } = await import('../routing/placement.ts');
  const roles = installationRoles(databases.auth);
  const foreign = await server.admin((admin) => findForeignObjects(admin, server.name, names, roles));
  for (const { message, remedy } of foreign) list.bad(message, remedy);
  return foreign.length === 0;
}

async function checkQueue(server: PostgresServer, list: Checklist): Promise<void> {
  const { findQueueProblem } = await import('../servers/notification-queue.ts');
  const problem = await server.admin(findQueueProblem);
  if (problem) list.bad(problem.message, problem.remedy);
}

async function checkSystemDatabases(server: PostgresServer, { databases }: Config, list: Checklist): Promise<boolean> {
  const { databaseExists } = await import('../postgres/admin/databases.ts');
  const names = Object.values(databases);
  const missing: string[] = [];
  for (const name of names) {
    if (!(await server.admin((admin) => databaseExists(admin, name)))) missing.push(name);
  }
  if (missing.length === 0) list.good(`The databases ${names.join(', ')} exist`);
  else if (missing.length === 1)
    list.bad(`The database ${missing[0]} is missing`, 'Run tenantry setup, or start a server, to create it');
  else
    list.bad(
      `The databases ${missing.join(', ')} are missing`,
      'Run tenantry setup, or start a server, to create them',
    );
  return missing.length === 0;
}

async function otherServers(
  stack: AsyncDisposableStack,
  first: PostgresServer,
  config: Config,
  budgets: Budgets,
  list: Checklist,
): Promise<(readonly [string, PostgresServer])[]> {
  const { readFile } = await import('node:fs/promises');
  const { readServerRows } = await import('../catalog/server-queries.ts');
  const { createEncryption } = await import('../lib/encryption.ts');
  const { checkServer } = await import('../servers/check.ts');
  const { databases, roleSecret, dataDir } = config;
  const { decryptPooler, decryptServer, undecryptable } = await import('../servers/poolers/stored-urls.ts');
  const rows = await first.owner(databases.auth, readServerRows);
  const others: (readonly [string, PostgresServer])[] = [];
  for (const row of rows) {
    const { name, url, connectionBudget } = row;
    if (name === first.name || url === null) continue;
    try {
      const secret = roleSecret ?? (await readFile(path.join(dataDir, 'role-secret'), 'utf8'));
      const encryption = createEncryption(secret, 'servers.url');
      const address = decryptServer(encryption, row);
      if (!address) throw undecryptable(name);
      const server = await openServer(stack, name, address, decryptPooler(encryption, row));
      await checkServer(server);
      list.good(`The server ${name} answers`);
      await checkRights(server, config, list, ` on the server ${name}`);
      if (await checkOwners(server, [databases.shared], config, list)) others.push([name, server]);
      await checkBudget(server, config, budgets, list, connectionBudget);
    } catch (error) {
      list.bad(
        `The server ${name}: ${messageOf(error)}`,
        'Run tenantry server list for details; the tenants of this server were not checked',
      );
    }
  }
  return others;
}
