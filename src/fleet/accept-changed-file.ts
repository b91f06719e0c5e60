import { FIRST_SERVER } from '../catalog/entities/database-server.entity.ts';
import type { MigrationScope } from '../catalog/entities/migration-record.entity.ts';
import type { Config } from '../config/config.ts';
import { badInput } from '../lib/errors.ts';
import { folderOf, type MigrationFolders } from '../migrator/files/migration-folders.ts';
import { acceptInCommon } from './accept-common.ts';
import { type AcceptOptions, acceptInSystemDatabase, acceptInTenants } from './accept-hash.ts';
import type { Acceptance } from './accept-hash-store.ts';

/** Names the changed file to accept, the place to accept it in, and the person who accepts it. */
export interface AcceptRequest {
  readonly scope: MigrationScope;
  readonly migration: string;
  /** The tenant's id or slug. If omitted, the whole fleet. */
  readonly tenant?: string | undefined;
  readonly acceptedBy: string;
}

/** Dependencies of {@link acceptChangedFile}. */
export interface AcceptChangedFileOptions extends Pick<AcceptOptions, 'catalog' | 'servers' | 'log'> {
  readonly migrations: MigrationFolders;
  readonly config: Pick<Config, 'migrations' | 'databases'>;
}

/**
 * Accepts a changed migration file.
 * @throws {AppError} BAD_USER_INPUT, NOT_FOUND, CONFLICT
 */
export async function acceptChangedFile(
  { catalog, servers, migrations, config, log }: AcceptChangedFileOptions,
  { scope, migration, tenant, acceptedBy }: AcceptRequest,
): Promise<readonly Acceptance[]> {
  const options: AcceptOptions = {
    catalog,
    servers,
    files: await folderOf(migrations, scope).read(),
    acceptedBy,
    concurrency: config.migrations.concurrency,
    log,
  };
  if (scope === 'TENANT') return acceptInTenants(options, migration, tenant);
  if (tenant !== undefined) throw badInput('scope', `A tenant's history has no migrations of ${scope}`);
  if (scope === 'COMMON') return acceptInCommon(options, migration);
  const database = scope === 'AUTH' ? config.databases.auth : config.databases.constants;
  return acceptInSystemDatabase(options, migration, { scope, server: FIRST_SERVER, database });
}
