import type { ServerHost } from '../server-hosts.ts';
import { readHosts } from './hosts.ts';
import { readOptions } from './options.ts';
import { decodePart, ServerUrlError } from './part.ts';

/** The parts of the URL of a PostgreSQL server or of a pooler. */
export interface ServerUrl {
  /** Empty if the URL names none. So are the next two. */
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly hosts: readonly [ServerHost, ...ServerHost[]];
  /** What follows the question mark, without the hosts and ports. */
  readonly options: ReadonlyMap<string, string>;
}

const escapes = '/ as %2F, ? as %3F and # as %23';

/**
 * Reads the URL of a PostgreSQL server as libpq does, with several hosts, which Node's URL cannot parse. Spaces around it are left out. A
 * password may have an @ without an escape, because the last one before the path ends it.
 * @param moreSchemes how it may begin besides, in lower case
 * @throws {ServerUrlError} that says what is wrong, and never repeats the password
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
 */
export function readServerUrl(text: string, moreSchemes: readonly string[] = []): ServerUrl {
  const schemes = ['postgres:', 'postgresql:', ...moreSchemes];
  const [, scheme = '', rest = ''] = /^([^:/?#]*:)\/\/(.*)$/s.exec(text.trim()) ?? [];
  if (!schemes.includes(scheme.toLowerCase())) {
    const starts = schemes.map((each) => `${each}//`).join(' or ');
    throw new ServerUrlError(`must be a URL that starts with ${starts}${/^\s*["']/.test(text) ? ', not a quote' : ''}`);
  }
  refuseUnescaped(rest);
  const [, login = '', authority = '', path = '', query = ''] =
    /^(?:([^/?]*)@)?([^/?@]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(rest) ?? [];
  const [, user = '', password = ''] = /^([^:]*):?(.*)$/s.exec(login) ?? [];
  const options = readOptions(query);
  const [host, port] = [options.get('host'), options.get('port')];
  for (const each of ['host', 'port']) options.delete(each);
  return {
    user: decodePart(user, 'user name'),
    password: decodePart(password, 'password'),
    database: decodePart(path, 'name of the database'),
    hosts: readHosts(authority, { host, port }),
    options,
  };
}

/** A password with such characters divides a URL in the wrong place. Some of them would be left out without a word. */
function refuseUnescaped(rest: string): void {
  if (/\p{Cc}/u.test(rest)) {
    throw new ServerUrlError('has a line break or another control character in it; remove it, or write it as in %0A');
  }
  const [authority = ''] = rest.split(/[/?#]/, 1);
  const after = rest.slice(authority.length);
  if (!authority.includes('@') && after.includes('@')) {
    throw new ServerUrlError(`has ${after[0]} before the @; in a user name or password, write ${escapes}`);
  }
  if (after.includes('#')) throw new ServerUrlError('has a # in it; in a password or a name, write # as %23');
  if (after.includes('@')) {
    throw new ServerUrlError(`has an @ after its host; in a password or a name, write @ as %40, ${escapes}`);
  }
}
