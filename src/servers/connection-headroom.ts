import type pg from 'pg';

/** What PostgreSQL grants, and what is to be done where that is less than this process may want. */
export interface BudgetProblem {
  readonly message: string;
  readonly remedy: string;
}

/**
 * Compares a budget with what a server grants to roles that are not privileged, as tenants' are.
 * @returns undefined if the budget fits
 * @see https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-RESERVED-CONNECTIONS
 */
export async function findBudgetProblem(
  client: pg.Client,
  server: string,
  budget: number,
): Promise<BudgetProblem | undefined> {
  // PostgreSQL 15 has no reserved_connections.
  const { rows } = await client.query<{ most: number; reserved: number }>(
    `SELECT current_setting('max_connections')::int AS most, current_setting('superuser_reserved_connections')::int
       + coalesce(current_setting('reserved_connections', true), '0')::int AS reserved`,
  );
  const { most = 0, reserved = 0 } = rows[0] ?? {};
  const granted = most - reserved;
  if (budget <= granted) return undefined;
  return {
    message: `The budget of ${budget} connections to the server ${server} is more than the ${granted} that PostgreSQL grants: max_connections is ${most}, and ${reserved} are reserved`,
    remedy: `Set CONNECTION_BUDGET to ${granted} at most, and lower where several processes share the server, or raise max_connections`,
  };
}
