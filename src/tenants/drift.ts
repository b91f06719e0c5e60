import type { Tenant } from '../catalog/entities/tenant.entity.ts';
import { AppError } from '../lib/errors.ts';
import type { EntityTables } from '../migrator/diff/entity-tables.ts';
import { type Servers, serverNamed } from '../postgres/server.ts';
import { sqlState, sqlStateOf } from '../postgres/sql/error-codes.ts';

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
  const server = serverNamed(servers, tenant.server);
  try {
    return await server.owner(tenant.database, (client) => tables.differences(client, tenant.schema));
  } catch (error) {
    if (sqlStateOf(error) !== sqlState.invalidCatalogName) throw error;
    throw new AppError('CONFLICT', `The database ${tenant.database} of the tenant ${tenant.slug} is missing`, {
      cause: error,
    });
  }
}
