/** A place where a PostgreSQL server may listen. The host is a name, an address, or the folder of a socket, which begins with a slash. */
export interface ServerHost {
  readonly host: string;
  readonly port: number;
}

/** Shows a host and its port. An IPv6 address stands in brackets, as in URLs. */
export function showHost({ host, port }: ServerHost): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/**
 * Which sessions are accepted. `primary` refuses standbys; `read-write` also refuses a primary whose sessions only read by default;
 * `any` accepts whoever answers.
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-TARGET-SESSION-ATTRS
 */
export const acceptedSessions = ['any', 'primary', 'read-write'] as const;
export type AcceptedSessions = (typeof acceptedSessions)[number];
