import { FIRST_SERVER } from '../catalog/entities/database-server.entity.ts';
import type { MigrationScope } from '../catalog/entities/migration-record.entity.ts';
import { folderOf } from '../installation/folder-of.ts';
import type { Services } from '../installation/services.ts';
import { badInput } from '../lib/errors.ts';
import { type AcceptOptions, acceptInSystemDatabase, acceptInTenants } from './accept-hash.ts';
import type { Acceptance } from './accept-hash-store.ts';

/** Which changed file is accepted, where, and by whom. */
export interface AcceptRequest {
  readonly scope: MigrationScope;
  readonly migration: string;
  /** Its id or slug; without it the whole fleet. */
  readonly tenant?: string | undefined;
  readonly acceptedBy: string;
}

/**
 * Accepts that a migration's file has been changed.
 * @throws {AppError} BAD_USER_INPUT, NOT_FOUND, CONFLICT
 */
export async function acceptChangedFile(
  services: Services,
  { scope, migration, tenant, acceptedBy }: AcceptRequest,
): Promise<readonly Acceptance[]> {
  const { catalog, servers, config, log } = services;
  const options: AcceptOptions = {
    catalog,
    servers,
    files: await folderOf(services, scope).read(),
    acceptedBy,
    concurrency: config.migrations.concurrency,
    log,
  };
  if (scope === 'TENANT') return acceptInTenants(options, migration, tenant);
  if (tenant !== undefined) throw badInput('scope', `A tenant's history has no migrations of ${scope}`);
  const database = scope === 'AUTH' ? config.databases.auth : config.databases.constants;
  return acceptInSystemDatabase(options, migration, { scope, server: FIRST_SERVER, database });
}
