import type { DatabaseSchema, SchemaDifference, TableDifference } from '@mikro-orm/sql';
import { remadeEnums } from './enum-values.ts';
import { namesIn } from './names-in.ts';

/**
 * Makes views anew that use what is changed: PostgreSQL changes no column that a view uses, and drops views together with
 * the view that they use.
 */
export function replaceDependentViews(difference: SchemaDifference, from: DatabaseSchema, to: DatabaseSchema): void {
  const { changedTables, changedViews, removedViews } = difference;
  const columns = new Map(
    Object.values(changedTables).map((change) => [change.toTable.name.toLowerCase(), replacedColumns(change)]),
  );
  for (const { columns: remade } of remadeEnums(difference)) {
    for (const { table, column } of remade) columns.get(table.toLowerCase())?.add(column.name.toLowerCase());
  }
  const views = new Set(
    [
      ...Object.values(changedViews).map(({ to: { name } }) => name),
      ...Object.values(removedViews).map((view) => view.name),
    ].map((name) => name.toLowerCase()),
  );
  const uses = (definition: string): boolean => {
    const names = new Set(namesIn(definition));
    if ([...views].some((name) => names.has(name))) return true;
    return [...columns].some(
      ([table, replaced]) =>
        names.has(table) && [...replaced].some((column) => names.has(column) || definition.includes('*')),
    );
  };
  // A view may use one that is found to be replaced after it.
  for (let before = -1; before !== views.size; ) {
    before = views.size;
    for (const view of to.getViews()) {
      const key = view.schema ? `${view.schema}.${view.name}` : view.name;
      const old = from.getView(key) ?? from.getView(view.name);
      if (!old || key in changedViews || !uses(old.definition)) continue;
      changedViews[key] = { from: old, to: view };
      views.add(view.name.toLowerCase());
    }
  }
}

/** The columns that are dropped, or get another type. */
function replacedColumns({ removedColumns, changedColumns }: TableDifference): Set<string> {
  const retyped = Object.entries(changedColumns).filter(([, { changedProperties }]) => changedProperties.has('type'));
  return new Set([...Object.keys(removedColumns), ...retyped.map(([name]) => name)].map((name) => name.toLowerCase()));
}
