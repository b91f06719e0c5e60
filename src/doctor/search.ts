import { messageOf } from '../lib/errors.ts';
import type { PostgresServer } from '../postgres/server.ts';
import { readTogether } from '../servers/budgets/store.ts';
import { findBudgetProblem, findSharedBudgetProblem, findTightLimits } from '../servers/connection-headroom.ts';
import { findQueueProblem } from '../servers/notification-queue.ts';
import { findLeftovers, type LeftoverOptions } from './find-leftovers.ts';
import type { Finding } from './recent-findings.ts';

/**
 * Looks for problems of a running installation, as `tenantry doctor` does. Servers that do not answer are findings, and their
 * tenants are not inspected.
 * @throws {AppError} CONFLICT if this process only serves requests
 */
export async function searchProblems(options: LeftoverOptions): Promise<readonly Finding[]> {
  const found: Finding[] = [];
  const answering = new Map<string, PostgresServer>();
  const { auth, shared } = options.databases;
  const first = options.servers.get(options.first);
  const budgets = await first?.owner(auth, readTogether);
  for (const [name, server] of options.servers) {
    server.requireAdmin();
    try {
      const together = budgets?.get(name);
      const most = together?.connections ?? server.stats.max;
      const problems = await server.admin(async (admin) => [
        await findBudgetProblem(admin, name, server.stats.max),
        await findSharedBudgetProblem(admin, name, together),
        ...(await findTightLimits(admin, name, [auth, shared], most)),
        name === options.first ? await findQueueProblem(admin) : undefined,
      ]);
      found.push(...problems.flatMap((problem) => (problem ? [{ ...problem, fixable: false }] : [])));
      answering.set(name, server);
    } catch (error) {
      const message = `The server ${name} does not answer: ${messageOf(error)}`;
      found.push({ message, remedy: 'Start it, or correct its URL with tenantry server add', fixable: false });
    }
  }
  const leftovers = await findLeftovers({ ...options, servers: answering });
  return [...found, ...leftovers.map(({ message, remedy, fix }) => ({ message, remedy, fixable: fix !== undefined }))];
}
