import type { Column, SchemaDifference, TableDifference } from '@mikro-orm/sql';
import type { TableSnapshot } from './snapshot.ts';

/** Drops from a difference what tables have beyond the entities and what the entities don't need. */
export function requiredOnly(difference: SchemaDifference): void {
  Object.assign(difference, {
    removedTables: {},
    removedViews: {},
    removedNativeEnums: [],
    orphanedForeignKeys: [],
  });
  for (const table of Object.values(difference.changedTables)) requiredOnlyOf(table);
}

function requiredOnlyOf(table: TableDifference): void {
  const { fromTable, changedColumns, renamedColumns } = table;
  const added: Column[] = [...Object.values(table.addedColumns), ...Object.values(renamedColumns)];
  const lacking = added.filter(({ name }) => !fromTable.hasColumn(name));
  const unfit = Object.entries(changedColumns).flatMap(([name, { changedProperties, ...change }]) => {
    const needed = [...changedProperties].filter((property) => property === 'type' || property === 'nullable');
    return needed.length > 0 ? [[name, { ...change, changedProperties: new Set(needed) }] as const] : [];
  });
  for (const key of ['changedComment', 'changedPartitioning', 'changedRlsEnabled', 'changedRlsForced'] as const) {
    delete table[key];
  }
  for (const key of Object.keys(table)) {
    if (/^(removed|changed|renamed)[A-Z]/.test(key)) Reflect.set(table, key, {});
  }
  Object.assign(table, {
    addedColumns: Object.fromEntries(lacking.map((column) => [column.name, column])),
    changedColumns: Object.fromEntries(unfit),
  });
}

/**
 * Returns the entities' tables without what the real tables still lack.
 * @param says the entities' tables
 * @param found the real tables
 * @param difference what the real tables lack
 */
export function withoutAdded(says: TableSnapshot, found: TableSnapshot, difference: SchemaDifference): TableSnapshot {
  const lacking = new Set(Object.values(difference.newTables).map(({ name }) => name));
  const changed = new Map(Object.values(difference.changedTables).map((table) => [table.toTable.name, table]));
  const tables = says.tables
    .filter(({ name }) => !lacking.has(name))
    .map((table) => {
      const change = changed.get(table.name);
      if (!change) return table;
      const old = found.tables.find(({ name }) => name === table.name);
      return {
        ...table,
        columns: table.columns
          .filter(({ name }) => !(String(name) in change.addedColumns))
          .map((column) =>
            String(column.name) in change.changedColumns
              ? (old?.columns.find(({ name }) => name === column.name) ?? column)
              : column,
          ),
        indexes: table.indexes.filter(({ keyName }) => !(String(keyName) in change.addedIndexes)),
        checks: table.checks.filter(({ name }) => !(String(name) in change.addedChecks)),
        foreignKeys: Object.fromEntries(
          Object.entries(table.foreignKeys).filter(([name]) => !(name in change.addedForeignKeys)),
        ),
      };
    });
  return { ...says, tables };
}
