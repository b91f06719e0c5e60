/** A place where a PostgreSQL server may listen. */
export interface ServerHost {
  readonly host: string;
  readonly port: number;
}

/**
 * Which sessions are accepted. `primary` refuses standbys; `read-write` also refuses a primary whose sessions only read by default;
 * `any` accepts whoever answers.
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-TARGET-SESSION-ATTRS
 */
export const acceptedSessions = ['any', 'primary', 'read-write'] as const;
export type AcceptedSessions = (typeof acceptedSessions)[number];

/**
 * Returns one URL for each host of a URL that may name several, as in `postgres://user@one:5432,two:5433/postgres`. Node's URL
 * cannot parse that.
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-MULTIPLE-HOSTS
 */
export function urlPerHost(text: string): [string, ...string[]] {
  // A password may contain an unescaped @, but not a slash.
  const parts = /^([^:/?#]+:\/\/(?:[^/?#]*@)?)([^/?#]*)(.*)$/s.exec(text);
  if (!parts) return [text];
  const [, before = '', hosts = '', after = ''] = parts;
  const [first = '', ...others] = hosts.split(',');
  return [`${before}${first}${after}`, ...others.map((host) => `${before}${host}${after}`)];
}
