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
 * Returns the start-up options of a session.
 * @param session its own settings, such as `search_path`
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-OPTIONS
 */
export function startupOptions(session: Readonly<Record<string, string>>): string {
  return Object.entries({ ...everySession, ...session })
    .map(([name, value]) => `-c ${name}=${value.replace(/[\\\s]/g, '\\$&')}`)
    .join(' ');
}

/** SQL that is true if the session has got the settings of every session that PostgreSQL has otherwise by default. */
export const hasEverySettingSql = `(${Object.entries(everySession)
  .filter(([name]) => name === 'jit' || name === 'client_connection_check_interval')
  .map(([name, value]) => `current_setting('${name}') = '${value}'`)
  .join(' AND ')})`;
