import { decodePart, EXAMPLE_URL, ServerUrlError } from './part.ts';

/**
 * Reads the options of a URL.
 * @param query what follows the question mark
 * @throws {ServerUrlError}
 */
export function readOptions(query: string): Map<string, string> {
  const options = new Map<string, string>();
  for (const each of query.split('&').filter(Boolean)) {
    const [, encoded, value = ''] = /^([^=]*)=(.*)$/s.exec(each) ?? [];
    if (encoded === undefined)
      throw new ServerUrlError('has an option without a value; write it as in ?sslmode=require');
    const name = decodePart(encoded, 'options');
    if (!/^\w{1,40}$/.test(name)) {
      throw new ServerUrlError(
        'has an option with an invalid name; write options as in ?sslmode=require&connect_timeout=5',
      );
    }
    if (options.has(name)) throw new ServerUrlError(`has the option ${name} twice; leave one out`);
    const decoded = decodePart(value, `option ${name}`);
    if (/\p{Cc}/u.test(decoded)) throw new ServerUrlError(`has a control character in its option ${name}; remove it`);
    options.set(name, decoded);
  }
  return options;
}

/** The options that have an effect in the URL of a server; of a pooler, only the first. `host` and `port` are read before. */
const known = ['sslmode', 'target_session_attrs', 'connect_timeout'];

const passwordOnly = 'Tenantry logs in with a password; leave it out';

/** What to do in place of options that libpq or node-postgres know. */
const instead: ReadonlyMap<string, string> = new Map([
  ['ssl', 'use sslmode'],
  ['sslrootcert', 'let NODE_EXTRA_CA_CERTS name the file with the certificate of a private CA'],
  ['sslcert', passwordOnly],
  ['sslkey', passwordOnly],
]);

const insteadInServers: ReadonlyMap<string, string> = new Map([
  ['user', `write the user before the host, as in ${EXAMPLE_URL}`],
  ['password', `write the password before the host, as in ${EXAMPLE_URL}`],
  ['dbname', `write the database as the path, as in ${EXAMPLE_URL}`],
]);

/**
 * Adds an error to `problems` for each option that would have no effect.
 * @param options their names
 * @param name the URL's name in messages
 */
export function refuseOptions(
  options: Iterable<string>,
  of: 'server' | 'pooler',
  name: string,
  problems: string[],
): void {
  const used = of === 'pooler' ? known.slice(0, 1) : known;
  for (const option of options) {
    if (used.includes(option)) continue;
    const advice = instead.get(option) ?? (of === 'server' ? insteadInServers.get(option) : undefined);
    const all =
      of === 'pooler'
        ? 'of the URL of a pooler, only the host, the port and sslmode matter'
        : `the options are ${[...known, 'host'].join(', ')} and port`;
    problems.push(`${name} has the option ${option}, which has no effect; ${advice ?? all}`);
  }
}
