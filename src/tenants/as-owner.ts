import type pg from 'pg';
import type { Tenant } from '../catalog/entities/tenant.entity.ts';
import { AppError } from '../lib/errors.ts';
import { type Servers, serverNamed } from '../postgres/server.ts';
import { sqlState, sqlStateOf } from '../postgres/sql/error-codes.ts';

/**
 * Runs `work` with a connection to a tenant's database as the owner of its tables. Requests connect as the tenant's role
 * instead (`routing/tenant-connections.ts`).
 * @throws {AppError} SERVER_BUSY if this process does not know its server yet, CONFLICT if the database is missing; and what
 *   `work` throws
 */
export async function asOwner<T>(
  servers: Pick<Servers, 'get'>,
  { slug, server, database }: Tenant,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  try {
    return await serverNamed(servers, server).owner(database, work);
  } catch (error) {
    if (sqlStateOf(error) !== sqlState.invalidCatalogName) throw error;
    throw new AppError('CONFLICT', `The database ${database} of the tenant ${slug} is missing`, { cause: error });
  }
}
