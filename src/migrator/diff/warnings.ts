import type { Column, DatabaseTable, ForeignKey, SchemaDifference } from '@mikro-orm/sql';
import { remadeEnums } from './enum-values.ts';
import { MAX_NAME_BYTES } from './long-names.ts';

/** Lists what an author must check before sending the derived statements, or the ones that revert them. */
export function warningsOn(forward: SchemaDifference, backward: SchemaDifference): readonly string[] {
  return [
    ...Object.values(forward.removedTables).map(({ name }) => `The rows of ${name} are lost: down() makes it empty.`),
    ...Object.values(forward.changedTables).flatMap((table) => {
      const name = table.toTable.name;
      const added = Object.keys(table.addedColumns);
      return [
        ...Object.entries(table.renamedColumns).map(
          ([from, { name: to }]) => `${name}.${from} is taken to be called ${to} now. Is it another column?`,
        ),
        ...Object.keys(table.removedColumns).map(
          (column) =>
            `What is in ${name}.${column} is lost.${added.length > 0 ? ` Or has it another name now: ${added.join(' or ')}?` : ''}`,
        ),
        ...Object.entries(table.changedColumns).flatMap(([column, { changedProperties, column: to }]) => [
          ...(changedProperties.has('type') ? [`It fails where a value of ${name}.${column} is no ${to.type}.`] : []),
          ...(changedProperties.has('nullable') && !to.nullable ? [`It fails where ${name}.${column} is NULL.`] : []),
        ]),
      ];
    }),
    ...filling(forward).map((column) => `It fails where the table has rows: ${column} is NOT NULL without a default.`),
    ...filling(backward).map(
      (column) => `down() fails where the table has rows: ${column} is NOT NULL without a default.`,
    ),
    ...lostValues(forward).map((value) => `It fails where ${value}, which its type no longer has.`),
    ...lostValues(backward).map((value) => `down() fails where ${value}, which its type did not have.`),
    ...keysWithoutIndex(forward),
  ];
}

function lostValues(difference: SchemaDifference): string[] {
  return remadeEnums(difference).flatMap(({ removed, columns }) =>
    removed.length === 0
      ? []
      : columns.map(
          ({ table, column }) => `${table}.${column.name} is ${removed.map((one) => `'${one}'`).join(' or ')}`,
        ),
  );
}

/** Proposes an index for each new foreign key that has none. */
function keysWithoutIndex({ newTables, changedTables }: SchemaDifference): string[] {
  const added: readonly (readonly [DatabaseTable, ForeignKey])[] = [
    ...Object.values(newTables).flatMap((table) =>
      Object.values(table.getForeignKeys()).map((key) => [table, key] as const),
    ),
    ...Object.values(changedTables).flatMap(({ toTable, addedForeignKeys }) =>
      Object.values(addedForeignKeys).map((key) => [toTable, key] as const),
    ),
  ];
  return added
    .filter(([table, { columnNames }]) => !isIndexed(table, columnNames))
    .map(([table, { columnNames, referencedTableName }]) => {
      const { name } = table;
      const other = referencedTableName.split('.').at(-1);
      const index = `${name}_${columnNames.join('_')}_idx`;
      // MikroORM shortens the names that it chooses itself.
      const given = Buffer.byteLength(index) > MAX_NAME_BYTES ? '' : `'${index}'`;
      const mayJoin = columnNames.every((column) => table.getPrimaryKey()?.columnNames.includes(column));
      return `No index begins with ${name} (${columnNames.join(', ')}), so deleting a row of ${other} reads all of ${name}. Declare one, as with .index(${given}) on the relation${mayJoin ? ', which a many-to-many relation has in a pivotEntity' : ''}.`;
    });
}

/** Whether an index begins with these columns, in any order. */
function isIndexed(table: DatabaseTable, columns: readonly string[]): boolean {
  return table.getIndexes().some(({ columnNames, where, expression }) => {
    const first = columnNames.slice(0, columns.length);
    return where === undefined && expression === undefined && columns.every((column) => first.includes(column));
  });
}

/** The columns that are NOT NULL without a default and are added to tables that may have rows. */
function filling({ changedTables }: SchemaDifference): string[] {
  const needsValue = ({ nullable, default: value, autoincrement, generated }: Column) =>
    !nullable && value == null && !autoincrement && !generated;
  return Object.values(changedTables).flatMap(({ toTable, addedColumns }) =>
    Object.values(addedColumns)
      .filter(needsValue)
      .map(({ name }) => `${toTable.name}.${name}`),
  );
}
