import type { Tenant } from '../catalog/entities/tenant.entity.ts';
import { AppError } from '../lib/errors.ts';
import type { EntityTables } from '../migrator/diff/entity-tables.ts';
import { type Servers, serverNamed } from '../postgres/server.ts';
import { sqlState, sqlStateOf } from '../postgres/sql/error-codes.ts';

/** What looking for drift needs. */
export interface DriftOptions {
  readonly servers: Servers;
  /** What the modules' entities say that tenants' tables should be. */
  readonly tables: EntityTables;
}

/**
 * Compares a tenant's tables, as they are now, with the modules' entities.
 * @returns the SQL that would make them what the entities say, as {@link EntityTables.differences}; empty without drift
 * @throws {AppError} CONFLICT if the tenant's database is gone, SERVER_BUSY if its server is not known here yet
 */
export async function readDrift({ servers, tables }: DriftOptions, tenant: Tenant): Promise<readonly string[]> {
  const server = serverNamed(servers, tenant.server);
  try {
    return await server.owner(tenant.database, (client) => tables.differences(client, tenant.schema));
  } catch (error) {
    if (sqlStateOf(error) !== sqlState.invalidCatalogName) throw error;
    throw new AppError('CONFLICT', `The database ${tenant.database} of tenant ${tenant.slug} is gone`, {
      cause: error,
    });
  }
}
