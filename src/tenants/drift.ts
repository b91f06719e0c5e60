import type { Tenant } from '../catalog/entities/tenant.entity.ts';
import { hashSchemaFacts } from '../migrator/compare/schema-facts.ts';
import type { EntityTables } from '../migrator/diff/entity-tables.ts';
import type { Servers } from '../postgres/server.ts';
import { asOwner } from './as-owner.ts';

/** What detecting drift needs. */
export interface DriftOptions {
  readonly servers: Servers;
  /** The tables that the modules' entities define. */
  readonly tables: EntityTables;
}

/**
 * Compares a tenant's current tables with the modules' entities.
 * @returns the SQL that would make the tables match, as {@link EntityTables.differences}; empty without drift
 * @throws {AppError} CONFLICT if the tenant's database is missing, SERVER_BUSY if this process does not know its server yet
 */
export async function readDrift({ servers, tables }: DriftOptions, tenant: Tenant): Promise<readonly string[]> {
  return asOwner(servers, tenant, (client) => tables.differences(client, tenant.schema));
}

/**
 * Returns a function like {@link readDrift} for many tenants. Most have the same tables, and comparing them with the entities takes
 * many times longer than hashing them, so tables with the hash of ones that match are not compared again.
 */
export function createDriftReader({ servers, tables }: DriftOptions): (tenant: Tenant) => Promise<readonly string[]> {
  const matching = new Set<string>();
  return (tenant) =>
    asOwner(servers, tenant, async (client) => {
      const hash = await hashSchemaFacts(client, tenant.schema);
      if (matching.has(hash)) return [];
      const differences = await tables.differences(client, tenant.schema);
      // They may have been changed between the two.
      if (differences.length === 0 && (await hashSchemaFacts(client, tenant.schema)) === hash) matching.add(hash);
      return differences;
    });
}
