import type { MigrationScope } from '../../catalog/entities/migration-record.entity.ts';
import type { MigrationFile } from './migration-file.ts';
import type { MigrationFolder } from './migration-folder.ts';

/** The migration folders, one for each kind of database. */
export type MigrationFolders = Readonly<Record<'auth' | 'constants' | 'common' | 'tenant', MigrationFolder>>;

/** The migration folder of one kind of database. */
export function folderOf(
  { auth, constants, common, tenant }: MigrationFolders,
  scope: MigrationScope,
): MigrationFolder {
  return { AUTH: auth, CONSTANTS: constants, COMMON: common, TENANT: tenant }[scope];
}

/** The migrations of a database that holds tenants. Those of `common` come first. */
export interface TenantFiles {
  readonly tenant: readonly MigrationFile[];
  readonly common: readonly MigrationFile[];
}

/** Reads the migrations of a database that holds tenants. */
export async function readTenantFiles(folders: Pick<MigrationFolders, keyof TenantFiles>): Promise<TenantFiles> {
  const [tenant, common] = await Promise.all([folders.tenant.read(), folders.common.read()]);
  return { tenant, common };
}
