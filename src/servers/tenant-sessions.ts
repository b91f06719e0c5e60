import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { elapsedSince } from '../lib/time.ts';
import { endSessions, FINISH_MS, isBusySql, LOOK_MS } from '../postgres/admin/end-sessions.ts';
import { joinRoleSql } from '../postgres/admin/roles.ts';
import type { InstallationRoles } from '../routing/placement.ts';
import { isTenantRoleSql } from './role-limits.ts';

/** Time limits for sessions of tenants' roles, in milliseconds. A session can lift PostgreSQL's own limits, but not these. */
export interface SessionLimits {
  readonly statementMs: number;
  readonly transactionMs: number;
}

/** A session that was terminated. */
export interface EndedSession {
  readonly role: string;
  readonly pid: number;
  readonly reason: 'statement' | 'transaction';
}

/** The same as {@link FINISH_MS} where no requests wait. */
export const PATIENT_FINISH_MS = 2_000;

/** Ends all sessions of a role in any database, as {@link endSessions}. */
export async function endSessionsOf(admin: pg.Client, role: string, finishMs = FINISH_MS): Promise<void> {
  await admin.query(joinRoleSql(role));
  await endSessions(admin, { which: 'usename = $1', values: [role] }, finishMs);
}

/** Ends the sessions of a role that have begun by now, as {@link endSessions}. Those that begin meanwhile go on. */
export async function endEarlierSessions(admin: pg.Client, role: string): Promise<void> {
  await admin.query(joinRoleSql(role));
  const { rows } = await admin.query<{ now: string }>('SELECT clock_timestamp()::text AS now');
  const which = 'usename = $1 AND coalesce(backend_start < $2::timestamptz, true)';
  await endSessions(admin, { which, values: [role, rows[0]?.now] });
}

/**
 * Waits until no session of a role is busy, as {@link isBusySql} says. New ones may begin meanwhile.
 * @param ms how long to wait at most, in milliseconds
 * @returns whether that is so
 */
export async function drainSessions(admin: pg.Client, role: string, ms: number): Promise<boolean> {
  await admin.query(joinRoleSql(role));
  for (const start = performance.now(); ; await sleep(LOOK_MS)) {
    const { rowCount } = await admin.query(`SELECT FROM pg_stat_activity WHERE usename = $1 AND ${isBusySql} LIMIT 1`, [
      role,
    ]);
    if (rowCount === 0) return true;
    if (elapsedSince(start) >= ms) return false;
  }
}

/** Ends sessions of an installation's tenants that exceed their time limit. */
export async function endOverdueSessions(
  admin: pg.Client,
  roles: InstallationRoles,
  { statementMs, transactionMs }: SessionLimits,
): Promise<readonly EndedSession[]> {
  const { rows } = await admin.query<EndedSession & { readonly ended: boolean }>(
    // Materialized, because PostgreSQL could otherwise terminate a session before it evaluates the condition.
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

/** Finds the roles of an installation's tenants with sessions, and whether the current role can see their activity. */
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

/**
 * The application name of sessions in which people work as the owner of a tenant's tables. PostgreSQL cannot keep the owner out of
 * a place while it is copied, but it can tell these sessions from those that copy.
 * @param key the tenant's key
 */
export function ownerShellName(key: string): string {
  return `tenantry psql --owner ${key}`;
}

/** Ends the sessions of {@link ownerShellName}: what they write during a copy would be lost. */
export async function endOwnerShells(admin: pg.Client, key: string): Promise<void> {
  await endSessions(admin, { which: 'application_name = $1', values: [ownerShellName(key)] }, 0);
}
