import type pg from 'pg';
import { FIRST_SERVER } from '../../catalog/entities/database-server.entity.ts';
import type { Config } from '../../config/config.ts';
import type { Budget } from '../../config/divide-budgets.ts';
import { quoteIdentifier } from '../../postgres/sql/quote.ts';
import type { BudgetProblem } from '../connection-headroom.ts';
import { dividableOf, readCapacity } from './capacity.ts';
import type { Together } from './store.ts';

/** What the processes of an installation may open on a server. */
export interface OpenableConnections {
  readonly config: Pick<Config, 'databases' | 'connections' | 'migrations'>;
  /** That of a process. */
  readonly budget: Budget;
  /** What those that run now may open together. Undefined if none does. */
  readonly together: Together | undefined;
}

/** Connections of a process to a system database beside its pool: to `auth` the one that listens, and one as the owner. */
const BESIDE_POOL = 2;
/** The pools of a process that connect as the role of the URL: to the maintenance database and to the shared one. */
const ADMIN_POOLS = 2;

interface Limit {
  readonly kind: 'role' | 'database';
  readonly name: string;
  readonly most: number;
}

/**
 * Finds limits of the role of the URL and of the databases of the installation that are lower than what all processes may open as
 * this role and to these databases. Requests of tenants connect as other roles. Superusers have no such limits.
 */
export async function findTightLimits(
  client: pg.Client,
  server: string,
  openable: OpenableConnections,
): Promise<readonly BudgetProblem[]> {
  const { config, together, budget } = openable;
  const { auth, constants, shared } = config.databases;
  // Another server may have databases with these names that are somebody else's.
  const databases = server === FIRST_SERVER ? [auth, constants, shared] : [shared];
  const { rows } = await client.query<Limit>(
    `SELECT 'role' AS kind, rolname AS name, rolconnlimit AS most FROM pg_roles
     WHERE rolname = current_user AND NOT rolsuper AND rolconnlimit >= 0
     UNION ALL SELECT 'database', datname, datconnlimit FROM pg_database
     WHERE datname = ANY ($1) AND datconnlimit >= 0 ORDER BY kind, name`,
    [databases],
  );
  if (rows.length === 0) return [];
  const alone = budget === 'auto' ? dividableOf(await readCapacity(client)) : budget;
  const total = together?.connections ?? alone;
  return rows.flatMap((limit) => {
    const { kind, name, most } = limit;
    const { needed, otherwise } = needOf(limit, openable, total);
    if (most >= needed) return [];
    const where = kind === 'role' ? 'as this role' : 'to it';
    return [
      {
        message: `The ${kind} ${name} of the server ${server} has a limit of ${most} connections, fewer than the ${needed} that Tenantry may open ${where}`,
        remedy: `Raise it with ALTER ${kind.toUpperCase()} ${quoteIdentifier(name)} CONNECTION LIMIT ${needed}, or ${otherwise}`,
      },
    ];
  });
}

/** How many connections may be open as a role or to a database, and what else than a higher limit an operator can do. */
function needOf(
  { kind, name }: Limit,
  { config, together, budget }: OpenableConnections,
  total: number,
): { readonly needed: number; readonly otherwise: string } {
  const { databases, connections, migrations } = config;
  const { systemPoolSize } = connections;
  const ofAll = (each: number) => Math.min((together?.processes ?? 1) * each, total);
  if (kind === 'role') {
    return {
      needed: ofAll(ADMIN_POOLS * systemPoolSize + migrations.concurrency),
      otherwise: 'lower SYSTEM_POOL_SIZE or MIGRATION_CONCURRENCY',
    };
  }
  if (name !== databases.shared) {
    return { needed: ofAll(systemPoolSize + BESIDE_POOL), otherwise: 'lower SYSTEM_POOL_SIZE' };
  }
  return {
    needed: total,
    otherwise:
      budget === 'auto'
        ? 'set CONNECTION_BUDGET to a number that fits, because auto looks at no limits of databases'
        : 'lower CONNECTION_BUDGET',
  };
}
