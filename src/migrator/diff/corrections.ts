import type { EntityMetadata } from '@mikro-orm/core';
import type { DatabaseSchema } from '@mikro-orm/sql';

/** Escapes quotes in the defaults of entities, which MikroORM 7.2 writes as they are. Call it once after discovery. */
export function escapeDefaults(entities: Iterable<EntityMetadata>): void {
  for (const { props } of entities) {
    for (const prop of props) {
      const value: unknown = prop.default;
      const isWritten = typeof value === 'string' ? prop.defaultRaw === `'${value}'` : Array.isArray(value);
      const inner = /^'([\s\S]*)'$/.exec(prop.defaultRaw ?? '')?.[1];
      if (isWritten && inner !== undefined) prop.defaultRaw = `'${inner.replaceAll("'", "''")}'`;
    }
  }
}

/** Completes the names of tables that foreign keys refer to. MikroORM leaves out the schema where a table is another's part. */
export function completeKeys(tables: DatabaseSchema): DatabaseSchema {
  for (const table of tables.getTables()) {
    for (const key of Object.values(table.getForeignKeys())) {
      if (table.schema && !key.referencedTableName.includes('.')) {
        key.referencedTableName = `${table.schema}.${key.referencedTableName}`;
      }
    }
  }
  return tables;
}
