import type pg from 'pg';

/** The connections of a PostgreSQL server. */
export interface Capacity {
  /** `max_connections`. */
  readonly max: number;
  /** How many of them PostgreSQL keeps for superusers and for roles with a privilege. */
  readonly reserved: number;
  /** Those that are open, whichever program they are of. */
  readonly open: number;
  /** Those of other programs. */
  readonly others: number;
}

/**
 * Reads how many connections the server has and how many are open.
 * @see https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-RESERVED-CONNECTIONS
 */
export async function readCapacity(client: pg.Client): Promise<Capacity> {
  // PostgreSQL 15 has no reserved_connections. PostgreSQL's own processes have no database, or no role.
  const { rows } = await client.query<Capacity>(
    `SELECT current_setting('max_connections')::int AS max, current_setting('superuser_reserved_connections')::int
       + coalesce(current_setting('reserved_connections', true), '0')::int AS reserved,
       count(*)::int AS open, (count(usesysid) FILTER (WHERE application_name <> 'tenantry'))::int AS others
     FROM pg_stat_activity WHERE datname IS NOT NULL`,
  );
  return rows[0] ?? { max: 0, reserved: 0, open: 0, others: 0 };
}

/** The part of a server's connections that is not divided: for commands, for processes that start, and for operators. */
const SPARE = 0.1;
/** Connections of other programs come and go. So that budgets do not change with each, they are counted in steps. */
const STEP = 5;

/** Returns how many connections processes may divide among them. */
export function dividableOf({ max, reserved, others }: Capacity): number {
  const usable = max - reserved;
  return usable - Math.ceil(usable * SPARE) - Math.ceil(others / STEP) * STEP;
}
