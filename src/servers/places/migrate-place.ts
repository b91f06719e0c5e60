import type pg from 'pg';
import type { Isolation } from '../../catalog/entities/tenant.entity.ts';
import type { ObservedState } from '../../catalog/migration-states.ts';
import { migrateDatabase } from '../../migrator/apply/apply.ts';
import { MigrationFailedError } from '../../migrator/apply/batch.ts';
import { kindOf } from '../../migrator/files/history.ts';
import type { TenantFiles } from '../../migrator/files/migration-folders.ts';
import { sqlState, sqlStateOf } from '../../postgres/sql/error-codes.ts';
import type { InstallationRoles, Placement } from '../../routing/placement.ts';
import { applyCommon, readersOfCommon } from '../shared/common-line.ts';

/** How to migrate a new place. */
export interface MigratePlaceOptions {
  readonly roles: InstallationRoles;
  readonly lockTimeoutMs: number;
  /** SQL that prepares the place for its first migration. */
  readonly setupSql: string;
}

/**
 * Applies the migrations of `common` and of a tenant to a new place, or completes an interrupted attempt.
 * @param client the owner's connection to its database
 * @returns the state of `common`; undefined if there are no such migrations
 */
export async function migratePlace(
  client: pg.Client,
  { isolation, database, schema }: Placement & { readonly isolation: Isolation },
  files: TenantFiles,
  { roles, lockTimeoutMs, setupSql }: MigratePlaceOptions,
): Promise<ObservedState | undefined> {
  const grantee = readersOfCommon(roles, isolation);
  const line = { files: files.common, grantee, lockTimeoutMs, allowsNewer: true };
  const common = await applyCommon(client, database, line);
  const isThere = isolation === 'DATABASE' && (await kindOf(client, schema)) === 'TENANT';
  const options = { scope: 'TENANT', schema, files: files.tenant, lockTimeoutMs } as const;
  try {
    await migrateDatabase(client, isThere ? options : { ...options, setupSql });
  } catch (error) {
    // A migration may also fail because a schema that it creates already exists.
    if (error instanceof MigrationFailedError || sqlStateOf(error) !== sqlState.duplicateSchema) throw error;
    await migrateDatabase(client, options);
  }
  return common;
}
