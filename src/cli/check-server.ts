import type { Config } from '../config/config.ts';
import type { ServerAddress } from '../config/server-address.ts';
import { showHost } from '../config/server-hosts.ts';
import type { Leftover } from '../doctor/leftover.ts';
import type { PostgresServer } from '../postgres/server.ts';
import type { ServerFacts } from '../servers/check.ts';
import { showVersion } from './commands/setup.ts';
import type { Checklist } from './ui/checklist.ts';

/** Opens a server at an address, for a check. */
export type OpenForCheck = (address: ServerAddress) => Promise<PostgresServer>;

/** What a server says, or why it cannot be used. */
type Asked =
  | { readonly facts: ServerFacts }
  /** The URL leads to a pooler. */
  | { readonly pooled: Leftover }
  | { readonly reason: string };

/**
 * Checks the server of the settings, and whether its admin connects to the same one.
 * @param server as the admin
 * @returns whether it can be used
 */
export async function checkFirstServer(
  server: PostgresServer,
  { server: serving, adminServer }: Config,
  open: OpenForCheck,
  list: Checklist,
): Promise<boolean> {
  const setting = adminServer ? 'ADMIN_DATABASE_URL' : 'DATABASE_URL';
  const remedy = `${setting} must name a running PostgreSQL server and a role that may create databases and roles`;
  const facts = await askFirst(server, { setting, remedy }, open, list);
  if (!facts) return false;
  const { doubtOf, refusalOf } = await import('../servers/check.ts');
  const refusal = refusalOf(facts);
  if (refusal !== undefined) {
    list.bad(`PostgreSQL at ${hostOf(server)}: ${refusal}`, remedy);
    return false;
  }
  list.good(`PostgreSQL ${showVersion(facts.version)}, ${serving ? hostOf(server) : 'built in'}`);
  // The built-in server has our settings.
  const doubt = serving && doubtOf(facts);
  if (doubt) list.doubt(`PostgreSQL at ${hostOf(server)}: ${doubt}`);
  if (!adminServer || !serving) return true;
  const same = {
    setting: 'DATABASE_URL',
    remedy: 'DATABASE_URL must name the same running server as ADMIN_DATABASE_URL',
  };
  const also = await askFirst(await open(serving), same, open, list);
  if (!also) return false;
  if (also.systemIdentifier === facts.systemIdentifier && also.isStandby === facts.isStandby) return true;
  list.bad('ADMIN_DATABASE_URL and DATABASE_URL name different servers', 'They must name the same one');
  return false;
}

/**
 * Checks a server that was added.
 * @returns whether it can be used
 */
export async function checkAddedServer(server: PostgresServer, open: OpenForCheck, list: Checklist): Promise<boolean> {
  const asked = await ask(server, 'url', open);
  if ('pooled' in asked) {
    list.bad(asked.pooled.message, asked.pooled.remedy);
    return false;
  }
  const { doubtOf, refusalOf } = await import('../servers/check.ts');
  const reason = 'facts' in asked ? refusalOf(asked.facts) : asked.reason;
  if (reason !== undefined) {
    list.bad(`The server ${server.name}: ${reason}`, notChecked);
    return false;
  }
  list.good(`The server ${server.name} answers`);
  const doubt = 'facts' in asked ? doubtOf(asked.facts) : undefined;
  if (doubt) list.doubt(`The server ${server.name}: ${doubt}`);
  return true;
}

/** The remedy for an added server that cannot be checked. */
export const notChecked = 'Run tenantry server list for details; the tenants of this server were not checked';

async function askFirst(
  server: PostgresServer,
  { setting, remedy }: { readonly setting: string; readonly remedy: string },
  open: OpenForCheck,
  list: Checklist,
): Promise<ServerFacts | undefined> {
  const asked = await ask(server, setting, open);
  if ('facts' in asked) return asked.facts;
  if ('pooled' in asked) list.bad(asked.pooled.message, asked.pooled.remedy);
  else {
    const hasOthers = server.address?.otherHosts !== undefined;
    list.bad(`PostgreSQL${hasOthers ? '' : ` at ${hostOf(server)}`}: ${asked.reason}`, remedy);
  }
  return undefined;
}

async function ask(server: PostgresServer, setting: string, open: OpenForCheck): Promise<Asked> {
  const { connectFailure, PoolerAnsweredError, readServerFacts } = await import('../servers/check.ts');
  try {
    return { facts: await readServerFacts(server) };
  } catch (error) {
    if (error instanceof PoolerAnsweredError) {
      const { pooledUrlProblem } = await import('../doctor/poolers.ts');
      return { pooled: pooledUrlProblem(server.name, error, setting) };
    }
    const { address } = server;
    if (!address?.otherHosts) return { reason: `Cannot connect to the server: ${connectFailure(error)}` };
    // The error may be that of one host alone.
    const reasons = await Promise.all(
      [address, ...address.otherHosts].map(async ({ host, port }) => {
        const { otherHosts: _, ...alone } = { ...address, host, port };
        const reason = await readServerFacts(await open(alone)).then(() => 'it answers now', connectFailure);
        return `${showHost(alone)}: ${reason}`;
      }),
    );
    return { reason: `None of its hosts can be used: ${reasons.join('; ')}` };
  }
}

/** The host that has answered; without an answer, the first one. */
function hostOf({ host }: PostgresServer): string {
  return host ? showHost(host) : 'an unknown address';
}
