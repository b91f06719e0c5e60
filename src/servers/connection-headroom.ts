import type pg from 'pg';
import type { Budget } from '../config/divide-budgets.ts';
import { readCapacity } from './budgets/capacity.ts';
import { LEAST_BUDGET } from './budgets/divide.ts';
import type { Together } from './budgets/store.ts';

/** A budget that exceeds PostgreSQL's limit, and what to do about it. */
export interface BudgetProblem {
  readonly message: string;
  readonly remedy: string;
}

/**
 * Compares a budget with the connections that a server allows for unprivileged roles such as tenants'.
 * @returns undefined if the budget fits, or if it is `auto`
 */
export async function findBudgetProblem(
  client: pg.Client,
  server: string,
  budget: Budget,
): Promise<BudgetProblem | undefined> {
  if (budget === 'auto') return undefined;
  const { max, reserved } = await readCapacity(client);
  const granted = max - reserved;
  if (budget <= granted) return undefined;
  return {
    message: `The budget of ${budget} connections to the server ${server} exceeds the ${granted} that PostgreSQL allows: max_connections is ${max}, and ${reserved} are reserved`,
    remedy: `Set CONNECTION_BUDGET to ${granted} or less (lower if several processes share the server), or raise max_connections`,
  };
}

/**
 * Compares what all processes of the installation may take together with the connections that a server allows.
 * @param budget that of a process
 * @returns undefined if it fits, or if there are not several processes
 */
export async function findSharedBudgetProblem(
  client: pg.Client,
  server: string,
  together: Together | undefined,
  budget: Budget,
): Promise<BudgetProblem | undefined> {
  const { processes = 0, connections = 0 } = together ?? {};
  if (processes < 2) return undefined;
  const { max, reserved } = await readCapacity(client);
  const granted = max - reserved;
  if (connections <= granted) return undefined;
  return {
    message: `The ${processes} processes of this installation may together open ${connections} connections to the server ${server}, more than the ${granted} that PostgreSQL allows: max_connections is ${max}, and ${reserved} are reserved`,
    remedy:
      budget === 'auto'
        ? `Start fewer processes, or raise max_connections; with CONNECTION_BUDGET=auto, each takes ${LEAST_BUDGET} or more`
        : 'Set CONNECTION_BUDGET to auto for all servers and workers, so that they divide what PostgreSQL has, or to less; or start fewer processes, or raise max_connections',
  };
}
