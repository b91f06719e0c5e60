import { badInput } from '../lib/errors.ts';
import { type AcceptedSessions, acceptedSessions, type ServerHost } from './server-hosts.ts';
import { refuseOptions } from './server-url/options.ts';
import { EXAMPLE_URL, ServerUrlError } from './server-url/part.ts';
import { readServerUrl, type ServerUrl } from './server-url/read.ts';
import type { SettingValues } from './settings.ts';

/** The address of a PostgreSQL server, with the role to connect as. */
export interface ServerAddress extends ServerHost {
  /** Where else the server may be after a failover. */
  readonly otherHosts?: readonly ServerHost[];
  /** Defaults to `primary`. */
  readonly accepts?: AcceptedSessions;
  /** How long connecting to one host may take, in milliseconds. */
  readonly connectTimeoutMs?: number;
  readonly user: string;
  readonly password: string;
  /** The database to connect to for creating others. */
  readonly maintenanceDatabase: string;
  /** False for no TLS, or the options of Node's TLS. */
  readonly ssl: false | { readonly rejectUnauthorized: boolean };
}

/** Where tenants' requests connect instead. Each logs in as the tenant's role, to the tenant's database. */
export type PoolerAddress = Pick<ServerAddress, 'host' | 'port' | 'ssl'>;

/** The addresses of the first PostgreSQL server. */
export interface ServerAddresses {
  /** Undefined for an embedded PostgreSQL in the folder for data. */
  readonly server: ServerAddress | undefined;
  /** The same server with the role that creates, migrates and deletes. Undefined if that is the role of `server`. */
  readonly adminServer: ServerAddress | undefined;
  /** The pooler through which tenants' requests reach the server. Undefined if they connect to it directly. */
  readonly pooler: PoolerAddress | undefined;
}

/** Returns the addresses of the settings. Adds errors to `problems`. */
export function serverAddresses(values: SettingValues, problems: string[]): ServerAddresses {
  const server = serverAddress(values, problems);
  const { ADMIN_DATABASE_URL: admin, DATABASE_POOLER_URL: pooled } = values;
  const adminServer = admin === undefined ? undefined : addressFrom(admin, 'ADMIN_DATABASE_URL', problems);
  const pooler = pooled === undefined ? undefined : poolerFrom(pooled, 'DATABASE_POOLER_URL', problems);
  // One that cannot be read has its own problem.
  if (!server && (values.DATABASE_URL ?? values.ADMIN_CONN_STR) === undefined) {
    if (admin !== undefined) problems.push('ADMIN_DATABASE_URL is set, but DATABASE_URL is not');
    if (pooled !== undefined) problems.push('DATABASE_POOLER_URL is set, but DATABASE_URL is not');
    if (values.NODE_ENV === 'production') problems.push('DATABASE_URL must be set when NODE_ENV is production');
  }
  return { server, adminServer, pooler };
}

/** Returns the PostgreSQL server that the settings name, or undefined if they name none. Adds errors to `problems`. */
function serverAddress(values: SettingValues, problems: string[]): ServerAddress | undefined {
  if (values.DATABASE_URL !== undefined) return addressFrom(values.DATABASE_URL, 'DATABASE_URL', problems);
  if (values.ADMIN_CONN_STR !== undefined) {
    return addressFrom(values.ADMIN_CONN_STR, 'ADMIN_CONN_STR', problems, ['postgresql+psycopg2:']);
  }
  const parts = { DB_HOST: values.DB_HOST, DB_USERNAME: values.DB_USERNAME, DB_PASSWORD: values.DB_PASSWORD };
  const missing = Object.entries(parts).filter(([, value]) => value === undefined);
  if (missing.length === 3) {
    if (values.DB_PORT !== undefined) problems.push('DB_PORT is set, but DB_HOST, DB_USERNAME and DB_PASSWORD are not');
    return undefined;
  }
  for (const [name] of missing)
    problems.push(`${name} must be set too: DB_HOST, DB_USERNAME and DB_PASSWORD go together`);
  return {
    host: values.DB_HOST ?? '',
    port: values.DB_PORT ?? 5432,
    user: values.DB_USERNAME ?? '',
    password: values.DB_PASSWORD ?? '',
    maintenanceDatabase: 'postgres',
    ssl: false,
  };
}

/**
 * Parses the URL of a PostgreSQL server.
 * @throws {AppError} BAD_USER_INPUT that says what is wrong, without repeating the URL
 */
export function parseServerUrl(text: string): ServerAddress {
  return strictly('url', (problems) => addressFrom(text, 'The URL', problems));
}

/**
 * Parses the URL of the pooler of a PostgreSQL server.
 * @throws {AppError} BAD_USER_INPUT that says what is wrong, without repeating the URL
 */
export function parsePoolerUrl(text: string): PoolerAddress {
  return strictly('poolerUrl', (problems) => poolerFrom(text, "The pooler's URL", problems));
}

/**
 * Parses the URL of a server in the catalog. Earlier versions stored URLs with options that have no effect; they still have none.
 * @returns undefined if it cannot be read
 */
export function storedServerAddress(text: string): ServerAddress | undefined {
  return addressFrom(text, 'The URL', []);
}

/** Parses the URL of a pooler in the catalog, as {@link storedServerAddress} does. */
export function storedPoolerAddress(text: string): PoolerAddress | undefined {
  return poolerFrom(text, "The pooler's URL", []);
}

function strictly<Address>(field: string, read: (problems: string[]) => Address | undefined): Address {
  const problems: string[] = [];
  const address = read(problems);
  if (address && problems.length === 0) return address;
  throw badInput(field, problems.join('; '));
}

/**
 * Parses a URL as {@link poolerFrom} does, with its user, its password and its database. There may be several hosts,
 * `target_session_attrs` and `connect_timeout`, which holds for each host.
 */
function addressFrom(
  text: string,
  name: string,
  problems: string[],
  moreSchemes?: readonly string[],
): ServerAddress | undefined {
  const url = read(text, name, problems, moreSchemes);
  if (!url) return undefined;
  // What would be taken for options may be the end of a password whose host is missing.
  if (!url.user) problems.push(`${name} must name a user, as in ${EXAMPLE_URL}`);
  else refuseOptions(url.options.keys(), 'server', name, problems);
  const [first, ...others] = url.hosts;
  return {
    ...first,
    ...(others.length > 0 && { otherHosts: others }),
    ...sessionsOf(url, name, problems),
    ssl: tlsOf(url, name, problems),
    user: url.user,
    password: url.password,
    maintenanceDatabase: url.database || 'postgres',
  };
}

/**
 * Parses the URL of a pooler, of which only the host, the port and `sslmode` matter. Adds errors to `problems`.
 * @param name the URL's name in messages
 */
function poolerFrom(text: string, name: string, problems: string[]): PoolerAddress | undefined {
  const url = read(text, name, problems);
  if (!url) return undefined;
  refuseOptions(url.options.keys(), 'pooler', name, problems);
  const [first, ...others] = url.hosts;
  if (others.length > 0) problems.push(`${name} must name one host; put a load balancer before several poolers`);
  return { ...first, ssl: tlsOf(url, name, problems) };
}

function read(text: string, name: string, problems: string[], moreSchemes?: readonly string[]): ServerUrl | undefined {
  try {
    return readServerUrl(text, moreSchemes);
  } catch (error) {
    if (!(error instanceof ServerUrlError)) throw error;
    problems.push(`${name} ${error.message}`);
    return undefined;
  }
}

/**
 * With `sslmode` `verify-ca`, the name in the certificate is checked too, as with `verify-full`. `allow` and `prefer` mean no TLS.
 * `no-verify` is another word for `require`.
 * @see https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION
 */
function tlsOf({ options, hosts }: ServerUrl, name: string, problems: string[]): ServerAddress['ssl'] {
  const mode = options.get('sslmode') ?? 'disable';
  if (['disable', 'allow', 'prefer'].includes(mode)) return false;
  const isStrict = mode === 'verify-full' || mode === 'verify-ca';
  if (!isStrict && mode !== 'require' && mode !== 'no-verify') {
    problems.push(`${name} has the unknown sslmode ${mode}; use disable, require or verify-full`);
  } else if (hosts.some(({ host }) => host.startsWith('/'))) {
    problems.push(`${name} has sslmode ${mode}, but PostgreSQL has no TLS over a socket; leave sslmode out`);
  }
  return { rejectUnauthorized: isStrict };
}

function sessionsOf(
  { options }: ServerUrl,
  name: string,
  problems: string[],
): Pick<ServerAddress, 'accepts' | 'connectTimeoutMs'> {
  const wanted = options.get('target_session_attrs');
  const accepts = acceptedSessions.find((each) => each === wanted);
  if (wanted !== undefined && !accepts) {
    problems.push(
      `${name} has target_session_attrs ${wanted}, but must have ${acceptedSessions.join(', ')} or be left out, because Tenantry writes`,
    );
  }
  const seconds = options.get('connect_timeout');
  if (seconds !== undefined && !/^[1-9]\d{0,2}$/.test(seconds)) {
    problems.push(`${name} has connect_timeout ${seconds}, but it must be a number of seconds from 1 to 999`);
  }
  return { ...(accepts && { accepts }), ...(seconds !== undefined && { connectTimeoutMs: Number(seconds) * 1000 }) };
}
