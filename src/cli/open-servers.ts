import path from 'node:path';
import type { Config } from '../config/config.ts';
import type { PoolerAddress, ServerAddress } from '../config/server-address.ts';
import type { LeftoverOptions } from '../doctor/find-leftovers.ts';
import { messageOf } from '../lib/errors.ts';
import type { PostgresServer } from '../postgres/server.ts';
import type { Together } from '../servers/budgets/store.ts';
import { checkAddedServer, checkFirstServer, notChecked, type OpenForCheck } from './check-server.ts';
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
  const open: OpenForCheck = (at) => openServer(stack, 'default', at, undefined);
  const server = await openServer(stack, 'default', address, config.pooler);
  if (!(await checkFirstServer(server, config, open, list))) return undefined;
  await checkRights(server, config, list);
  await checkQueue(server, list);
  const hasDatabases =
    (await checkSystemDatabases(server, config, list)) &&
    (await checkOwners(server, Object.values(config.databases), config, list));
  const budgets = hasDatabases ? await readBudgets(server, config, list) : undefined;
  // Its limits may be why the database could not be read.
  await checkBudget(server, config, budgets ?? new Map(), list);
  if (!budgets) return undefined;
  await checkPooler(server, config, list);
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

/** Returns undefined if `auth` cannot be read, such as because all connections that it allows are in use. */
async function readBudgets(
  server: PostgresServer,
  { databases }: Config,
  list: Checklist,
): Promise<Budgets | undefined> {
  const { readTogether } = await import('../servers/budgets/store.ts');
  const { connectFailure } = await import('../servers/check.ts');
  try {
    return await server.owner(databases.auth, readTogether);
  } catch (error) {
    list.bad(
      `The database ${databases.auth} cannot be read: ${connectFailure(error)}`,
      'Fix what PostgreSQL reports, then run tenantry doctor again; nothing else was checked',
    );
    return undefined;
  }
}

/** @param own the server's own budget, if it has one */
async function checkBudget(
  server: PostgresServer,
  config: Config,
  budgets: Budgets,
  list: Checklist,
  own: number | null = null,
): Promise<void> {
  const { findTightLimits } = await import('../servers/budgets/tight-limits.ts');
  const { findBudgetProblem, findSharedBudgetProblem } = await import('../servers/connection-headroom.ts');
  const { name } = server;
  const together = budgets.get(name);
  const budget = own ?? config.connections.budget;
  await server.admin(async (admin) => {
    const alone = await findBudgetProblem(admin, name, budget);
    if (alone) list.bad(alone.message, alone.remedy);
    // Warnings, because no process must ever need all that it may take.
    const shared = await findSharedBudgetProblem(admin, name, together, budget);
    const tight = await findTightLimits(admin, name, { config, budget, together });
    for (const problem of [...(shared ? [shared] : []), ...tight]) list.doubt(`${problem.message}. ${problem.remedy}`);
  });
}

async function checkPooler(server: PostgresServer, config: Config, list: Checklist): Promise<void> {
  const { checkPoolerOf } = await import('../doctor/poolers.ts');
  const found = await checkPoolerOf(server, config, { findsMode: true });
  if (!found) return;
  const { address, mode, problem } = found;
  if (problem) list.bad(problem.message, problem.remedy);
  else if (mode === 'none') {
    list.doubt(
      `PostgreSQL itself answers at ${address}, where the pooler of the server ${server.name} should be: tenants' requests connect directly`,
    );
  } else {
    const how = mode === undefined ? '' : `, in ${mode} mode`;
    list.good(`The pooler of the server ${server.name} answers at ${address}${how}`);
  }
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
      const open: OpenForCheck = (at) => openServer(stack, name, at, undefined);
      if (!(await checkAddedServer(server, open, list))) continue;
      await checkRights(server, config, list, ` on the server ${name}`);
      if (await checkOwners(server, [databases.shared], config, list)) others.push([name, server]);
      await checkBudget(server, config, budgets, list, connectionBudget);
      await checkPooler(server, config, list);
    } catch (error) {
      list.bad(`The server ${name}: ${messageOf(error)}`, notChecked);
    }
  }
  return others;
}
