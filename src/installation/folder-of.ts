import type { MigrationScope } from '../catalog/entities/migration-record.entity.ts';
import type { MigrationFolder } from '../migrator/files/migration-files.ts';
import type { Services } from './services.ts';

/** Where the migrations of a kind of database are. */
export function folderOf({ migrations }: Pick<Services, 'migrations'>, scope: MigrationScope): MigrationFolder {
  return { AUTH: migrations.auth, CONSTANTS: migrations.constants, TENANT: migrations.tenant }[scope];
}
