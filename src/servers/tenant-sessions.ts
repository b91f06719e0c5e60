import type pg from 'pg';
import { joinRoleSql } from '../postgres/admin/roles.ts';
import { quoteIdentifier } from '../postgres/sql/quote.ts';
import type { InstallationRoles } from '../routing/placement.ts';
import { isTenantRoleSql } from './role-limits.ts';

/** How long sessions of tenants' roles may take, in milliseconds; the sessions themselves can lift PostgreSQL's own limits. */
export interface SessionLimits {
  readonly statementMs: number;
  readonly transactionMs: number;
}

/** A session that was told to end. */
export interface EndedSession {
  readonly role: string;
  readonly pid: number;
  readonly reason: 'statement' | 'transaction';
}

/** How long a session may take to end, in milliseconds. */
const END_MS = 5_000;

/** Ends all sessions of a role, in whatever database, and waits until they are gone, though not for long. */
export async function endSessionsOf(admin: pg.Client, role: string): Promise<void> {
  await admin.query(joinRoleSql(role));
  const end = (args: string) =>
    admin.query(`SELECT pg_terminate_backend(${args}) FROM pg_stat_activity WHERE usename = $1`, [role]);
  // All are told before any is waited for.
  await end('pid');
  await end(`pid, ${END_MS}`);
}

/** Ends the sessions of an installation's tenants that have taken longer than they may. */
export async function endOverdueSessions(
  admin: pg.Client,
  roles: InstallationRoles,
  { statementMs, transactionMs }: SessionLimits,
): Promise<readonly EndedSession[]> {
  const { rows } = await admin.query<EndedSession & { readonly ended: boolean }>(
    // Materialized: PostgreSQL would be free to ask for a session's end before it looks whether that is one to be ended.
    `WITH overdue AS MATERIALIZED (
       SELECT r.rolname AS role, a.pid, CASE
         WHEN clock_timestamp() - a.xact_start > $2 * interval '1 millisecond' THEN 'transaction'
         WHEN a.state NOT LIKE 'idle%' AND clock_timestamp() - a.query_start > $1 * interval '1 millisecond' THEN 'statement'
         END AS reason
       FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
       WHERE ${isTenantRoleSql(roles)} AND pg_has_role(a.usesysid, 'USAGE'))
     SELECT role, pid, reason, pg_terminate_backend(pid) AS ended FROM overdue WHERE reason IS NOT NULL`,
    [statementMs, transactionMs],
  );
  return rows.filter(({ ended }) => ended);
}

/** The roles of an installation's tenants that have sessions, and whether the current role sees what these do. */
export async function findConnectedRoles(
  admin: pg.Client,
  roles: InstallationRoles,
): Promise<readonly { readonly role: string; readonly isSeen: boolean }[]> {
  const { rows } = await admin.query<{ role: string; isSeen: boolean }>(
    `SELECT r.rolname AS role, pg_has_role(r.oid, 'USAGE') AS "isSeen" FROM pg_roles r
     WHERE ${isTenantRoleSql(roles)} AND r.oid IN (SELECT usesysid FROM pg_stat_activity)`,
  );
  return rows;
}

/** SQL after which an admin that is no superuser sees, and can end, the sessions of these roles. */
export function seeSessionsSql(roles: readonly string[]): string {
  return `GRANT ${roles.map(quoteIdentifier).join(', ')} TO CURRENT_USER`;
}
