import type { Catalog } from '../catalog/catalog.ts';
import type { MigrationScope } from '../catalog/entities/migration-record.entity.ts';
import type { AppliedMigration } from '../catalog/entities/migration-state.entity.ts';
import type { RecordedMigrations } from '../migrator/authoring/compare-history.ts';
import { readAppliedSql } from '../migrator/files/history.ts';
import type { Pool } from '../postgres/pool/pool.ts';
import { readCommonStatesInUse, readStatesInUse } from './tenant-states.ts';

/**
 * Reads which migrations this installation has applied, from the catalog and the system databases. It connects to no
 * tenant.
 */
export async function recordedMigrations(
  catalog: Catalog,
  constants: Pick<Pool, 'use'>,
): Promise<Readonly<Record<MigrationScope, readonly RecordedMigrations[]>>> {
  const historyOf = async (database: Pick<Pool, 'use'>, source: string): Promise<RecordedMigrations> => {
    const { rows } = await database.use((client) => client.query<AppliedMigration>(readAppliedSql('public')));
    return { source, applied: rows };
  };
  const states = await catalog.use(readStatesInUse);
  const common = await catalog.use(readCommonStatesInUse);
  return {
    AUTH: [await historyOf(catalog, 'the auth database')],
    CONSTANTS: [await historyOf(constants, 'the constants database')],
    COMMON: common.map(({ applied }) => ({ source: 'the databases of tenants', applied })),
    TENANT: states.map(({ applied }) => ({ source: 'the fleet', applied })),
  };
}
