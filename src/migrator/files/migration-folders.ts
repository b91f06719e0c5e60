import type { MigrationScope } from '../../catalog/entities/migration-record.entity.ts';
import type { MigrationFolder } from './migration-files.ts';

/** The migration folders, one for each kind of database. */
export type MigrationFolders = Readonly<Record<'auth' | 'constants' | 'common' | 'tenant', MigrationFolder>>;

/** The migration folder of one kind of database. */
export function folderOf(
  { auth, constants, common, tenant }: MigrationFolders,
  scope: MigrationScope,
): MigrationFolder {
  return { AUTH: auth, CONSTANTS: constants, COMMON: common, TENANT: tenant }[scope];
}
