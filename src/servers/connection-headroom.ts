import type pg from 'pg';
import { readCapacity } from './budgets/capacity.ts';
import type { Together } from './budgets/store.ts';

/** A budget that exceeds PostgreSQL's limit, and what to do about it. */
export interface BudgetProblem {
  readonly message: string;
  readonly remedy: string;
}

/**
 * Compares a budget with the connections that a server allows for unprivileged roles such as tenants'.
 * @returns undefined if the budget fits
 */
export async function findBudgetProblem(
  client: pg.Client,
  server: string,
  budget: number,
): Promise<BudgetProblem | undefined> {
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
 * @returns undefined if it fits, or if there are not several processes
 */
export async function findSharedBudgetProblem(
  client: pg.Client,
  server: string,
  together: Together | undefined,
): Promise<BudgetProblem | undefined> {
  const { processes = 0, connections = 0 } = together ?? {};
  if (processes < 2) return undefined;
  const { max, reserved } = await readCapacity(client);
  const granted = max - reserved;
  if (connections <= granted) return undefined;
  return {
    message: `The ${processes} processes of this installation may together open ${connections} connections to the server ${server}, more than the ${granted} that PostgreSQL allows: max_connections is ${max}, and ${reserved} are reserved`,
    remedy:
      'Set CONNECTION_BUDGET to auto for all servers and workers, so that they divide what there is, or to less; or start fewer processes, or raise max_connections',
  };
}

/**
 * Finds limits of the role or of the system databases that are lower than what all processes may take together. Superusers have no
 * such limits.
 */
export async function findTightLimits(
  client: pg.Client,
  server: string,
  databases: readonly string[],
  budget: number,
): Promise<readonly BudgetProblem[]> {
  const { rows } = await client.query<{ kind: 'role' | 'database'; name: string; most: number }>(
    `SELECT 'role' AS kind, rolname AS name, rolconnlimit AS most FROM pg_roles
     WHERE rolname = current_user AND NOT rolsuper AND rolconnlimit BETWEEN 0 AND $2::int - 1
     UNION ALL SELECT 'database', datname, datconnlimit FROM pg_database
     WHERE datname = ANY ($1) AND datconnlimit BETWEEN 0 AND $2::int - 1 ORDER BY kind, name`,
    [databases, budget],
  );
  return rows.map(({ kind, name, most }) => ({
    message: `The ${kind} ${name} of the server ${server} has a limit of ${most} connections, fewer than the ${budget} that Tenantry may open`,
    remedy: `Raise it with ALTER ${kind.toUpperCase()} … CONNECTION LIMIT, or lower CONNECTION_BUDGET`,
  }));
}
