import type pg from 'pg';
import { ALARMING_USAGE } from '../postgres/listener.ts';

/**
 * Detects that the server's notification queue is filling up. A session that listens and keeps a transaction open blocks it.
 * @see https://www.postgresql.org/docs/current/sql-notify.html#id-1.9.3.158.7
 */
export async function findQueueProblem(
  admin: pg.Client,
): Promise<{ readonly message: string; readonly remedy: string } | undefined> {
  const { rows } = await admin.query<{ usage: number; pid: number | null; role: string | null; database: string }>(
    `SELECT usage, pid, usename AS role, datname AS database FROM pg_notification_queue_usage() usage
     LEFT JOIN LATERAL (
       SELECT pid, usename, datname FROM pg_stat_activity
       WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND backend_type = 'client backend'
       ORDER BY xact_start LIMIT 1) oldest ON true`,
  );
  const [found] = rows;
  if (!found || found.usage < ALARMING_USAGE) return undefined;
  const { usage, pid, role, database } = found;
  return {
    message: `PostgreSQL's notification queue is ${Math.round(usage * 100)} % full, so changes are only found by polling`,
    remedy: pid
      ? `A listening session blocks it with an open transaction. The oldest transaction is that of ${role} in ${database}: SELECT pg_terminate_backend(${pid})`
      : 'A listening session blocks it with an open transaction; end that session',
  };
}
