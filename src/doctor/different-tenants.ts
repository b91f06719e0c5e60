import pLimit from 'p-limit';
import type pg from 'pg';
import { compareFacts, describeDifference, essential } from '../migrator/compare/differences.ts';
import { hashSchemaFacts, readSchemaFacts, type SchemaFacts } from '../migrator/compare/schema-facts.ts';
import type { PostgresServer } from '../postgres/server.ts';
import { sqlState, sqlStateOf } from '../postgres/sql/error-codes.ts';
import { CONCURRENCY, type Leftover } from './leftover.ts';

/** A tenant whose tables are compared with those of others. */
export interface ComparedTenant {
  readonly slug: string;
  readonly server: string;
  readonly database: string;
  readonly schema: string;
  /** The id of the migrations that it has, and the newest of them; null if unknown. */
  readonly state: string | null;
  readonly version: string | null;
}

interface HashedTenant extends ComparedTenant {
  /** A hash of its tables, columns, constraints, indexes, types, functions and extensions. */
  readonly hash: string;
}

/** The maximum number of groups of deviating tenants that are described for one version. */
const DESCRIBED = 10;
/** The maximum numbers of tenants and of differences that a message names. */
const NAMED_TENANTS = 5;
const NAMED_DIFFERENCES = 5;

/**
 * Compares the tables of all tenants that have the same migrations with each other, and names those that differ from
 * most. It uses one connection for each database, and keeps only a hash of each tenant.
 * @param noun what a message calls the tenants
 */
export async function findDifferentTenants(
  servers: ReadonlyMap<string, PostgresServer>,
  tenants: readonly ComparedTenant[],
  noun = 'Tenants',
): Promise<readonly Leftover[]> {
  const known = tenants.filter(({ state }) => state !== null);
  const byDatabase = Map.groupBy(known, ({ server, database }) => JSON.stringify([server, database]));
  const limit = pLimit(CONCURRENCY);
  const hashed = await Promise.all([...byDatabase.values()].map((inside) => limit(() => hashTenants(servers, inside))));
  const found: Leftover[] = [];
  for (const same of Map.groupBy(hashed.flat(), ({ state }) => state).values()) {
    found.push(...(await describeDeviations(servers, same, noun)));
  }
  return found;
}

/** A database that cannot be looked into, and a schema that is missing, are reported elsewhere. */
async function hashTenants(
  servers: ReadonlyMap<string, PostgresServer>,
  tenants: readonly ComparedTenant[],
): Promise<readonly HashedTenant[]> {
  const [first] = tenants;
  const server = first && servers.get(first.server);
  if (!server) return [];
  try {
    return await server.owner(first.database, async (client) => {
      const { rows } = await client.query<{ name: string }>('SELECT nspname AS name FROM pg_namespace');
      const existing = new Set(rows.map(({ name }) => name));
      const hashed: HashedTenant[] = [];
      for (const tenant of tenants.filter(({ schema }) => existing.has(schema))) {
        const hash = await hashUnlessLocked(client, tenant.schema);
        if (hash !== undefined) hashed.push({ ...tenant, hash });
      }
      return hashed;
    });
  } catch {
    return [];
  }
}

/** @returns undefined if somebody else has locked a table for long */
async function hashUnlessLocked(client: pg.Client, schema: string): Promise<string | undefined> {
  try {
    return await hashSchemaFacts(client, schema);
  } catch (error) {
    if (sqlStateOf(error) === sqlState.lockNotAvailable) return undefined;
    throw error;
  }
}

/** @param tenants those with the same migrations */
async function describeDeviations(
  servers: ReadonlyMap<string, PostgresServer>,
  tenants: readonly HashedTenant[],
  noun: string,
): Promise<readonly Leftover[]> {
  const groups = [...Map.groupBy(tenants, ({ hash }) => hash).values()].sort((a, b) => b.length - a.length);
  const [[usual] = [], ...others] = groups;
  if (!usual || others.length === 0) return [];
  const expected = await factsOf(servers, usual);
  const found: Leftover[] = [];
  for (const group of others.slice(0, DESCRIBED)) {
    const [first] = group;
    const facts = first && (await factsOf(servers, first));
    if (!first || !facts || !expected) continue;
    const differences = essential(compareFacts(expected, facts)).map((difference) =>
      describeDifference(difference, [`in ${usual.slug}`, `in ${first.slug}`]),
    );
    const slugs = shortened(
      group.map(({ slug }) => slug),
      NAMED_TENANTS,
    );
    found.push({
      message: `${noun} at ${usual.version} differ from ${usual.slug}, which has the same migrations: ${slugs}. ${shortened(differences, NAMED_DIFFERENCES, '; ')}`,
      remedy: 'Find out which one is right, and change the others by hand so that they match it',
    });
  }
  return found;
}

async function factsOf(
  servers: ReadonlyMap<string, PostgresServer>,
  { server, database, schema }: ComparedTenant,
): Promise<SchemaFacts | undefined> {
  return servers
    .get(server)
    ?.owner(database, (client) => readSchemaFacts(client, schema))
    .catch(() => undefined);
}

function shortened(names: readonly string[], count: number, separator = ', '): string {
  const more = names.length > count ? `${separator}and ${names.length - count} more` : '';
  return `${names.slice(0, count).join(separator)}${more}`;
}
