import type pg from 'pg';

/** A budget that exceeds PostgreSQL's limit, and what to do about it. */
export interface BudgetProblem {
  readonly message: string;
  readonly remedy: string;
}

/**
 * Compares a budget with the connections that a server allows for unprivileged roles such as tenants'.
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
    message: `The budget of ${budget} connections to the server ${server} exceeds the ${granted} that PostgreSQL allows: max_connections is ${most}, and ${reserved} are reserved`,
    remedy: `Set CONNECTION_BUDGET to ${granted} or less (lower if several processes share the server), or raise max_connections`,
  };
}
