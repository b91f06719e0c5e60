import type { DatabaseSchema } from '@mikro-orm/sql';
import { commonSchema } from '../files/common-schema.ts';

/**
 * Removes foreign keys to tables of `common` from a schema's tables if the entities don't have them. Entities describe
 * only a tenant's own tables, so most of them cannot declare such a key.
 */
export function ignoreKeysToCommon(found: DatabaseSchema, wanted: DatabaseSchema): void {
  for (const table of found.getTables()) {
    const declared = wanted.getTable(table.name)?.getForeignKeys() ?? {};
    const keys = table.getForeignKeys();
    for (const [name, { referencedTableName }] of Object.entries(keys)) {
      if (referencedTableName.startsWith(`${commonSchema}.`) && !(name in declared)) delete keys[name];
    }
  }
}
