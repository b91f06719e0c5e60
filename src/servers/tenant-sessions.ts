import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { elapsedSince } from '../lib/time.ts';
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

/**
 * How long statements that run may take to end before their sessions are ended, in milliseconds. The client of a statement that is
 * cut off cannot know whether it was committed.
 */
export const DRAIN_MS = 2_000;

/** The same for work that requests of the tenant may wait for, such as the pause of an online move. */
export const PAUSE_DRAIN_MS = 500;

/** How long a session may take to end, in milliseconds. */
const END_MS = 5_000;

/** Ends all sessions of a role in any database, and waits up to five seconds until they are gone. */
export async function endSessionsOf(admin: pg.Client, role: string): Promise<void> {
  await admin.query(joinRoleSql(role));
  await end(admin, role);
}

async function end(admin: pg.Client, role: string, before = 'infinity'): Promise<void> {
  const signal = (args: string) =>
    admin.query(
      `SELECT pg_terminate_backend(${args}) FROM pg_stat_activity
       WHERE usename = $1 AND coalesce(backend_start < $2::timestamptz, true)`,
      [role, before],
    );
  // Signal all sessions before waiting for any.
  await signal('pid');
  await signal(`pid, ${END_MS}`);
}

/** How often to look whether sessions are idle, in milliseconds. */
const DRAIN_LOOK_MS = 10;

/**
 * For how long sessions must have been idle to count as such, in milliseconds. A request may be between two statements, and a
 * process that has not heard yet that the tenant is refused may send another one.
 */
const QUIET_MS = 30;

/**
 * Waits until no session of a role runs a statement or has an open transaction, or did a moment ago. New ones may begin meanwhile.
 * @param ms how long to wait at most, in milliseconds
 * @param before only those that began before, a timestamp of PostgreSQL
 * @returns whether that is so
 */
export async function drainSessions(admin: pg.Client, role: string, ms: number, before = 'infinity'): Promise<boolean> {
  await admin.query(joinRoleSql(role));
  for (const start = performance.now(); ; ) {
    const { rowCount } = await admin.query(
      `SELECT FROM pg_stat_activity
       WHERE usename = $1 AND coalesce(backend_start < $3::timestamptz, true)
         AND (state <> 'idle' OR state_change > clock_timestamp() - $2 * interval '1 millisecond') LIMIT 1`,
      [role, QUIET_MS, before],
    );
    if (rowCount === 0) return true;
    if (elapsedSince(start) >= ms) return false;
    await sleep(DRAIN_LOOK_MS);
  }
}

/** Ends all sessions of a role as {@link endSessionsOf}, after waiting up to {@link DRAIN_MS} for their statements. */
export async function drainAndEnd(admin: pg.Client, role: string): Promise<void> {
  await drainSessions(admin, role, DRAIN_MS);
  // The drain has made this role see the sessions.
  await end(admin, role);
}

/**
 * Ends the sessions of a role that have begun by now, after waiting up to {@link PAUSE_DRAIN_MS} for their statements. Those that begin
 * meanwhile go on.
 */
export async function endEarlierSessions(admin: pg.Client, role: string): Promise<void> {
  const { rows } = await admin.query<{ now: string }>('SELECT clock_timestamp()::text AS now');
  await drainSessions(admin, role, PAUSE_DRAIN_MS, rows[0]?.now);
  await end(admin, role, rows[0]?.now);
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
  await admin.query('SELECT pg_terminate_backend(pid, $2) FROM pg_stat_activity WHERE application_name = $1', [
    ownerShellName(key),
    END_MS,
  ]);
}
