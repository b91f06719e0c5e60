import path from 'node:path';
import { catalogEntities, catalogPlainTables } from '../catalog/catalog.ts';
import type { Config } from '../config/config.ts';
import { CountrySchema } from '../constants/country.entity.ts';
import { CurrencySchema } from '../constants/currency.entity.ts';
import { entityTables } from '../migrator/diff/entity-tables.ts';
import { historyTable } from '../migrator/files/history.ts';
import { MigrationFolder } from '../migrator/files/migration-folder.ts';
import type { Product } from './product.ts';

/** The entities of the `constants` database. */
export const constantsEntities = [CountrySchema, CurrencySchema];

/** Returns the migrations and the entities' tables of each kind of database. It needs no database. */
export function createMigrationLines(
  { tenantDir, commonDir }: Pick<Config['migrations'], 'tenantDir' | 'commonDir'>,
  { modules }: Product,
) {
  const ours = (name: string) => path.join(import.meta.dirname, '../../migrations', name);
  return {
    auth: {
      folder: new MigrationFolder(ours('auth'), 'AUTH'),
      // The catalog's migrations create indexes and triggers that its entities do not declare.
      tables: entityTables(catalogEntities, { ignored: [historyTable, ...catalogPlainTables], compare: 'needed' }),
    },
    constants: {
      folder: new MigrationFolder(ours('constants'), 'CONSTANTS'),
      tables: entityTables(constantsEntities, { ignored: [historyTable], compare: 'all' }),
    },
    common: {
      folder: new MigrationFolder(commonDir, 'COMMON', { isOptional: true }),
      // No entities describe this schema, so whatever the migrations create is right.
      tables: entityTables([], { ignored: [historyTable], compare: 'needed' }),
    },
    tenant: {
      folder: new MigrationFolder(tenantDir, 'TENANT'),
      tables: entityTables(
        modules.flatMap(({ entities }) => entities),
        { ignored: [historyTable], compare: 'all' },
      ),
    },
  };
}
