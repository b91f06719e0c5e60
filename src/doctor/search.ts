import { FIRST_SERVER } from '../catalog/entities/database-server.entity.ts';
import type { Config } from '../config/config.ts';
import type { Budget } from '../config/divide-budgets.ts';
import { messageOf } from '../lib/errors.ts';
import type { PostgresServer } from '../postgres/server.ts';
import { readTogether, type Together } from '../servers/budgets/store.ts';
import { findTightLimits } from '../servers/budgets/tight-limits.ts';
import { PoolerAnsweredError, readServerFacts } from '../servers/check.ts';
import { findBudgetProblem, findSharedBudgetProblem } from '../servers/connection-headroom.ts';
import { findQueueProblem } from '../servers/notification-queue.ts';
import type { ServerRegistry } from '../servers/registry.ts';
import { findLeftovers } from './find-leftovers.ts';
import { IDLE_LOCK_SECONDS, type Leftover } from './leftover.ts';
import { checkPoolerOf, pooledUrlProblem } from './poolers.ts';
import type { Finding } from './recent-findings.ts';

/** What looking for problems needs. */
export interface SearchOptions {
  readonly servers: Pick<ServerRegistry, 'known' | 'hasFixedBudget'>;
  readonly config: Pick<Config, 'databases' | 'connections' | 'migrations'>;
  /** How long an idle session may hold a lock, in seconds. */
  readonly idleLockSeconds?: number;
}

/**
 * Looks for problems of a running installation, as `tenantry doctor` does. Servers that do not answer are findings, and their
 * tenants are not inspected.
 * @throws {AppError} CONFLICT if this process only serves requests
 */
export async function searchProblems({
  servers,
  config,
  idleLockSeconds = IDLE_LOCK_SECONDS,
}: SearchOptions): Promise<readonly Finding[]> {
  const { databases, connections } = config;
  const found: Leftover[] = [];
  const answering = new Map<string, PostgresServer>();
  const known = servers.known();
  const first = known.find(({ row }) => row.name === FIRST_SERVER);
  const budgets = await first?.server.owner(databases.auth, readTogether);
  for (const { row, server } of known) {
    const { name } = row;
    server.requireAdmin();
    try {
      // It finds out whether PostgreSQL itself answers.
      await readServerFacts(server);
      const budget = servers.hasFixedBudget(row) ? server.stats.max : 'auto';
      found.push(...(await searchServer(server, config, budget, budgets?.get(name))));
      answering.set(name, server);
    } catch (error) {
      found.push(
        error instanceof PoolerAnsweredError
          ? pooledUrlProblem(name, error)
          : {
              message: `The server ${name} does not answer: ${messageOf(error)}`,
              remedy: 'Start it, or correct its URL with tenantry server add',
            },
      );
    }
  }
  const leftovers = await findLeftovers({
    servers: answering,
    first: FIRST_SERVER,
    databases,
    bounds: connections.tenantBounds,
    idleLockSeconds,
  });
  return [...found, ...leftovers].map(({ message, remedy, fix }) => ({ message, remedy, fixable: fix !== undefined }));
}

async function searchServer(
  server: PostgresServer,
  config: SearchOptions['config'],
  budget: Budget,
  together: Together | undefined,
): Promise<readonly Leftover[]> {
  const { name } = server;
  const problems = await server.admin(async (admin) => [
    await findBudgetProblem(admin, name, budget),
    await findSharedBudgetProblem(admin, name, together, budget),
    ...(await findTightLimits(admin, name, { config, budget, together })),
    name === FIRST_SERVER ? await findQueueProblem(admin) : undefined,
  ]);
  const pooler = await checkPoolerOf(server, config);
  return [...problems, pooler?.problem].flatMap((problem) => (problem ? [problem] : []));
}
