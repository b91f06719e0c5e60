import type pg from 'pg';

/**
 * A statement that counts the sessions that wait for locks of this one. Everybody may read these views.
 * @see https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SESSION
 */
export const countWaitingSql = `SELECT count(DISTINCT pid) FROM pg_locks
  WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))`;

/** How far replicas may be behind before a backfill waits for them, in bytes of WAL. */
export const MAX_LAG_BYTES = 32 * 1024 * 1024;

/**
 * Returns how far the slowest connected replica is behind, in bytes of WAL; 0 if there is none, or the role may not see it.
 * @see https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-REPLICATION-VIEW
 */
export async function replicationLag(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ bytes: number | null }>(
    `SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), coalesce(replay_lsn, flush_lsn, write_lsn, sent_lsn)))::float8 AS bytes
     FROM pg_stat_replication`,
  );
  return rows[0]?.bytes ?? 0;
}
