import { badInput } from '../lib/errors.ts';
import { type AcceptedSessions, acceptedSessions, type ServerHost, urlPerHost } from './server-hosts.ts';
import { type SettingValues, settings } from './settings.ts';

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
  const adminServer = admin === undefined ? undefined : addressFromUrl(admin, 'ADMIN_DATABASE_URL', problems);
  if (adminServer && !server) problems.push('ADMIN_DATABASE_URL is set, but DATABASE_URL is not');
  const pooler = pooled === undefined ? undefined : poolerFromUrl(pooled, 'DATABASE_POOLER_URL', problems);
  if (pooler && !server) problems.push('DATABASE_POOLER_URL is set, but DATABASE_URL is not');
  return { server, adminServer, pooler };
}

/** Returns the PostgreSQL server that the settings name, or undefined if they name none. Adds errors to `problems`. */
function serverAddress(values: SettingValues, problems: string[]): ServerAddress | undefined {
  const text = values.DATABASE_URL ?? values.ADMIN_CONN_STR;
  if (text) return addressFromUrl(text, values.DATABASE_URL ? 'DATABASE_URL' : 'ADMIN_CONN_STR', problems);
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
  return parse(text, 'url', 'The URL', addressFromUrl);
}

/**
 * Parses the URL of the pooler of a PostgreSQL server.
 * @throws {AppError} BAD_USER_INPUT that says what is wrong, without repeating the URL
 */
export function parsePoolerUrl(text: string): PoolerAddress {
  return parse(text, 'poolerUrl', "The pooler's URL", poolerFromUrl);
}

function parse<Address>(
  text: string,
  field: string,
  name: string,
  read: (text: string, name: string, problems: string[]) => Address | undefined,
): Address {
  const problems: string[] = [];
  const { success, error } = settings.DATABASE_URL.schema.safeParse(text);
  const address = success ? read(text, name, problems) : undefined;
  if (address && problems.length === 0) return address;
  throw badInput(field, problems.join('; ') || `${name} ${error?.issues[0]?.message ?? 'cannot be read'}`);
}

/**
 * Parses a URL from a setting, as {@link poolerFromUrl} does, with its user, its password and its database. There may be several
 * hosts, `target_session_attrs` and `connect_timeout`, which holds for each host.
 */
export function addressFromUrl(text: string, name: string, problems: string[]): ServerAddress | undefined {
  const urls = urlsFrom(text, name, problems);
  if (!urls) return undefined;
  const [url, ...others] = urls;
  if (!url.username) problems.push(`${name} must name a user`);
  return {
    ...placeOf(url, name, problems),
    ...(others.length > 0 && { otherHosts: others.map(hostOf) }),
    ...sessionsOf(url, name, problems),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    maintenanceDatabase: decodeURIComponent(url.pathname.slice(1)) || 'postgres',
  };
}

/**
 * Parses the URL of a pooler from a setting, of which only the host, the port and `sslmode` matter. Adds errors to `problems`.
 * With `sslmode` `verify-ca`, the name in the certificate is checked too, as with `verify-full`. `allow` and `prefer` mean no
 * TLS. `no-verify` is another word for `require`.
 * @param name the URL's name in messages
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
 */
export function poolerFromUrl(text: string, name: string, problems: string[]): PoolerAddress | undefined {
  const [url, ...others] = urlsFrom(text, name, problems) ?? [];
  if (others.length > 0) problems.push(`${name} must name one host`);
  return url && placeOf(url, name, problems);
}

function urlsFrom(text: string, name: string, problems: string[]): [URL, ...URL[]] | undefined {
  try {
    const [first, ...others] = urlPerHost(text.replace(/^[^:]+:/, 'postgres:'));
    const url = new URL(first);
    for (const part of [url.username, url.password, url.pathname]) decodeURIComponent(part);
    const urls: [URL, ...URL[]] = [url, ...others.map((other) => new URL(other))];
    for (const each of urls) hostOf(each);
    return urls;
  } catch {
    problems.push(
      `${name} must be a URL like postgres://user:password@host:5432/postgres; escape special characters with %`,
    );
    return undefined;
  }
}

function placeOf(url: URL, name: string, problems: string[]): PoolerAddress {
  const sslMode = url.searchParams.get('sslmode') ?? 'disable';
  const strict = sslMode === 'verify-full' || sslMode === 'verify-ca';
  if (!strict && !['disable', 'allow', 'prefer', 'require', 'no-verify'].includes(sslMode)) {
    problems.push(`${name} has the unknown sslmode ${sslMode}`);
  }
  return {
    ...hostOf(url),
    ssl: strict
      ? { rejectUnauthorized: true }
      : ['require', 'no-verify'].includes(sslMode) && { rejectUnauthorized: false },
  };
}

function hostOf({ hostname, port }: URL): ServerHost {
  return { host: decodeURIComponent(hostname).replace(/^\[|\]$/g, '') || 'localhost', port: Number(port || 5432) };
}

function sessionsOf(
  { searchParams }: URL,
  name: string,
  problems: string[],
): Pick<ServerAddress, 'accepts' | 'connectTimeoutMs'> {
  const wanted = searchParams.get('target_session_attrs');
  const accepts = acceptedSessions.find((each) => each === wanted);
  if (wanted !== null && !accepts) {
    problems.push(
      `${name} has target_session_attrs ${wanted}, but must have ${acceptedSessions.join(', ')} or none, because Tenantry writes`,
    );
  }
  const seconds = searchParams.get('connect_timeout');
  if (seconds !== null && !/^[1-9]\d{0,2}$/.test(seconds)) {
    problems.push(`${name} has connect_timeout ${seconds}, but it must be a number of seconds from 1 to 999`);
  }
  return { ...(accepts && { accepts }), ...(seconds !== null && { connectTimeoutMs: Number(seconds) * 1000 }) };
}
