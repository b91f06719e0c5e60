/** The application name of our sessions. */
export const APPLICATION_NAME = 'tenantry';

/**
 * The settings with which every session of ours reads and writes times the same way, whatever the server's.
 * @see https://www.postgresql.org/docs/current/runtime-config-client.html#RUNTIME-CONFIG-CLIENT-FORMAT
 */
export const sameEverywhere = {
  TimeZone: 'UTC',
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  // Short statements that are planned anew each time would be compiled anew each time.
  jit: 'off',
} as const;

/**
 * With this setting, PostgreSQL aborts a statement and releases its locks within two seconds after the client was killed.
 * By default it notices only when the statement is done. PostgreSQL on Windows does not support the setting; the server is
 * taken to run on the same platform as this process.
 * @see https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-CLIENT-CONNECTION-CHECK-INTERVAL
 */
export const everySession: Readonly<Record<string, string>> = {
  ...sameEverywhere,
  ...(process.platform !== 'win32' && { client_connection_check_interval: '2s' }),
};

/**
 * With these settings, PostgreSQL notices within ten seconds that the machine of an idle client is gone, aborts its transaction and
 * releases its locks. By default it takes two hours. They have no effect over a Unix socket.
 * @see https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-TCP-KEEPALIVES-IDLE
 */
const noticeSilence = { tcp_keepalives_idle: '4', tcp_keepalives_interval: '2', tcp_keepalives_count: '2' };

/**
 * The same while an answer is on the way: keepalives pause then, and by default it takes 15 minutes. Not for sessions whose client
 * may read slowly, which would end too. Elsewhere PostgreSQL would log that it does not know the setting; the server is taken to run
 * on the same platform as this process.
 */
const noticeUnanswered: Readonly<Record<string, string>> =
  process.platform === 'linux' ? { tcp_user_timeout: '8000' } : {};

/** SQL that sets both for a transaction, in a session that may have other settings. */
export const noticeSilenceSql = Object.entries({ ...noticeSilence, ...noticeUnanswered })
  .map(([name, value]) => `SET LOCAL ${name} = ${value};`)
  .join(' ');

/**
 * Returns the start-up options of a session.
 * @param session its own settings, such as `search_path`
 * @param readsAtOnce whether its client reads what it gets without a pause
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-OPTIONS
 */
export function startupOptions(session: Readonly<Record<string, string>> = {}, readsAtOnce = false): string {
  return Object.entries({ ...everySession, ...noticeSilence, ...(readsAtOnce && noticeUnanswered), ...session })
    .map(([name, value]) => `-c ${name}=${value.replace(/[\\\s]/g, '\\$&')}`)
    .join(' ');
}

/** SQL that is true if the session has got the settings of every session that PostgreSQL has otherwise by default. */
export const hasEverySettingSql = `(${Object.entries(everySession)
  .filter(([name]) => name === 'jit' || name === 'client_connection_check_interval')
  .map(([name, value]) => `current_setting('${name}') = '${value}'`)
  .join(' AND ')})`;
