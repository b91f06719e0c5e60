import type pg from 'pg';
import { isAliveSql, lockKind, transactionLockSql } from '../../postgres/sql/advisory-lock.ts';
import { sqlState, sqlStateOf } from '../../postgres/sql/error-codes.ts';

/** The channel that says that processes came or went, or that one wants or has released connections. */
export const budgetsChannel = 'connection_budgets';

/** The budget of a live process on one server. */
export interface BudgetRow {
  /** The number of the process; see `Listener.instance`. */
  readonly instance: number;
  readonly server: string;
  /** How many connections it holds at most. */
  readonly connections: number;
  /** How many it needs. Null if its budget is fixed by the settings. */
  readonly wanted: number | null;
}

/** What all live processes of the installation may hold on one server. */
export interface Together {
  readonly processes: number;
  readonly connections: number;
  /** What the one that may hold the most may hold. */
  readonly most: number;
}

/** What no process may hold. */
export const noBudgets: Together = { processes: 0, connections: 0, most: 0 };

/** Reads the budgets of all live processes, always in the same order. */
export async function readBudgets(client: pg.Client): Promise<readonly BudgetRow[]> {
  const { rows } = await client.query<BudgetRow>(
    `SELECT instance, server, connections, wanted FROM connection_budgets b WHERE ${isAliveSql('b.instance')}
     ORDER BY instance, server`,
  );
  return rows;
}

/** Adds up the budgets of all live processes, by server. Servers that no process uses are not there. */
export async function readTogether(client: pg.Client): Promise<ReadonlyMap<string, Together>> {
  const rows = await readBudgets(client).catch((error: unknown) => {
    // The first start of this version adds the table.
    if (sqlStateOf(error) === sqlState.undefinedTable) return [];
    throw error;
  });
  return new Map(
    [...Map.groupBy(rows, ({ server }) => server)].map(([server, budgets]) => {
      const each = budgets.map(({ connections }) => connections);
      const connections = each.reduce((sum, one) => sum + one, 0);
      return [server, { processes: each.length, connections, most: Math.max(...each) }];
    }),
  );
}

/** Makes other processes wait until the end of the transaction before they change their budgets on this server. */
export async function lockBudgets(client: pg.Client, server: string): Promise<void> {
  await client.query(transactionLockSql(lockKind.budgets, server));
}

// Rows that another process is removing too are skipped, so that two never wait for each other.
const saveSql = `
  WITH gone AS (
    DELETE FROM connection_budgets WHERE (instance, server) IN (
      SELECT instance, server FROM connection_budgets b WHERE instance <> $1 AND NOT ${isAliveSql('b.instance')}
      FOR UPDATE SKIP LOCKED))
  INSERT INTO connection_budgets (instance, server, connections, wanted) VALUES ($1, $2, $3, $4)
  ON CONFLICT (instance, server) DO UPDATE SET connections = excluded.connections, wanted = excluded.wanted`;

/** Saves the budget of this process, and removes those of processes that have ended. */
export async function saveBudget(
  client: pg.Client,
  { instance, server, connections, wanted }: BudgetRow,
): Promise<void> {
  await client.query(saveSql, [instance, server, connections, wanted]);
}

/** Removes the budgets of this process, which releases them. */
export async function deleteBudgets(client: pg.Client, instance: number): Promise<void> {
  await client.query('DELETE FROM connection_budgets WHERE instance = $1', [instance]);
  await tellOthers(client);
}

/** Makes the other processes look at the budgets now. Without it they do so after some seconds. */
export async function tellOthers(client: pg.Client): Promise<void> {
  await client.query(`SELECT notify_if_room('${budgetsChannel}', '')`);
}
