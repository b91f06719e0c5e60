import type { Tenant } from '../catalog/entities/tenant.entity.ts';
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
