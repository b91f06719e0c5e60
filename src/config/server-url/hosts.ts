import { isIPv6 } from 'node:net';
import type { ServerHost } from '../server-hosts.ts';
import { decodePart, EXAMPLE_URL, ServerUrlError } from './part.ts';

const DEFAULT_PORT = 5432;

/**
 * Reads the hosts of a URL, which may name several, as in `postgres://user@one:5432,two:5433/postgres`. The options `host` and `port`
 * say the same, and `host` may be the folder of a socket.
 * @param authority what is between the user and the path, with its escapes
 * @throws {ServerUrlError}
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-MULTIPLE-HOSTS
 */
export function readHosts(
  authority: string,
  options: { readonly host: string | undefined; readonly port: string | undefined },
): [ServerHost, ...ServerHost[]] {
  const named = authority.split(',').map(splitPort);
  if (options.host !== undefined && named.some(({ host }) => host !== '')) throw twice('host');
  if (options.port !== undefined && named.some(({ port }) => port !== '')) throw twice('port');
  const hosts = options.host?.split(',') ?? named.map(({ host }) => withoutBrackets(decodePart(host, 'host')));
  const ports = options.port?.split(',') ?? named.map(({ port }) => port);
  if (ports.length > 1 && ports.length !== hosts.length) {
    throw new ServerUrlError(`has ${ports.length} ports, but ${counted(hosts.length)}; name one port, or one for each`);
  }
  const at = (index: number): ServerHost => ({
    host: validHost(hosts[index] ?? '', hosts.length),
    port: portFrom((ports.length === 1 ? ports[0] : ports[index]) ?? ''),
  });
  return [at(0), ...hosts.slice(1).map((_, index) => at(index + 1))];
}

function splitPort(text: string): { readonly host: string; readonly port: string } {
  const [, host, port = ''] = /^(\[[^\]]*\]|[^:[\]]*)(?::(.*))?$/s.exec(text) ?? [];
  // Without brackets, the end of an address would be its port.
  if (host === undefined || isIPv6(text)) throw wrongAddress();
  return { host, port };
}

function withoutBrackets(host: string): string {
  const inner = /^\[(.*)\]$/s.exec(host)?.[1];
  if (inner !== undefined && !isIPv6(inner)) throw wrongAddress();
  return inner ?? host;
}

function validHost(host: string, count: number): string {
  if (host === '' && count > 1)
    throw new ServerUrlError('has an empty host beside a comma; separate hosts as in one:5432,two:5432');
  if (host === '') {
    throw new ServerUrlError(
      'has no host; write localhost if it is this machine, or the option host for the folder of a socket, as in ?host=/run/postgresql',
    );
  }
  if (host.startsWith('/') || isIPv6(host)) return host;
  const [wrong] = /[^\p{L}\p{M}\p{N}._-]/u.exec(host) ?? [];
  if (wrong !== undefined) throw new ServerUrlError(`has ${describe(wrong)} in its host; a URL is like ${EXAMPLE_URL}`);
  return host;
}

function portFrom(text: string): number {
  if (text === '') return DEFAULT_PORT;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw new ServerUrlError(`has a port that is not a number from 1 to 65535; a URL is like ${EXAMPLE_URL}`);
}

function describe(character: string): string {
  if (character === ' ') return 'a space';
  return /[!-~]/.test(character)
    ? `the character ${character}`
    : `the character U+${character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}`;
}

function wrongAddress(): ServerUrlError {
  return new ServerUrlError('has colons or brackets in its host; write an IPv6 address as in [::1]:5432');
}

function twice(what: 'host' | 'port'): ServerUrlError {
  return new ServerUrlError(`names a ${what} before its path and another in the option ${what}; leave one out`);
}

function counted(hosts: number): string {
  return hosts === 1 ? 'one host' : `${hosts} hosts`;
}
