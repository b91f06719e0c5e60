import type { Column, SchemaDifference } from '@mikro-orm/sql';

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
  ];
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
