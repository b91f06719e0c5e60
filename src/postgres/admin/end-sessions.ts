import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { elapsedSince } from '../../lib/time.ts';

/** How long running statements get to finish before their sessions are ended, in milliseconds. Requests may wait meanwhile. */
export const FINISH_MS = 500;

/** How long a session may take to end, in milliseconds. */
const END_MS = 5_000;

/** How often to look whether sessions are idle, in milliseconds. */
export const LOOK_MS = 10;

/**
 * SQL that is true for a session in `pg_stat_activity` that runs a statement or has an open transaction, or was last active less than
 * 30 milliseconds ago. A request may be between two statements, and a process that has not heard yet that it must stop may send another one.
 */
export const isBusySql = `(state <> 'idle' OR state_change > clock_timestamp() - interval '30 milliseconds')`;

/**
 * Ends sessions, each as soon as it is idle, and waits up to five seconds until they are gone. The client of a statement that is cut
 * off cannot know whether it was committed.
 * @param which a condition on `pg_stat_activity` with these parameters, which also selects sessions that begin meanwhile
 * @param finishMs when to end sessions that are not idle, in milliseconds from now
 */
export async function endSessions(
  admin: pg.Client,
  { which, values }: { readonly which: string; readonly values: readonly unknown[] },
  finishMs = FINISH_MS,
): Promise<void> {
  const signal = (ended: string) => admin.query(`SELECT ${ended} FROM pg_stat_activity WHERE ${which}`, [...values]);
  for (const start = performance.now(); elapsedSince(start) < finishMs; await sleep(LOOK_MS)) {
    // One statement checks and ends a session, which leaves almost no time for another statement to begin in between.
    const { rowCount } = await signal(`CASE WHEN ${isBusySql} THEN false ELSE pg_terminate_backend(pid) END`);
    if (rowCount === 0) return;
  }
  // Signal all of them before waiting for any.
  const { rowCount } = await signal('pg_terminate_backend(pid)');
  if (rowCount) await signal(`pg_terminate_backend(pid, ${END_MS})`);
}
