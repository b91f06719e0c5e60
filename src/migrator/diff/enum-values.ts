import type { Column, SchemaDifference } from '@mikro-orm/sql';
import { quoteIdentifier, quoteLiteral } from '../../postgres/sql/quote.ts';

/**
 * An enum type that must be made anew: PostgreSQL cannot remove or reorder its values.
 * @see https://www.postgresql.org/docs/current/sql-altertype.html
 */
export interface RemadeEnum {
  readonly name: string;
  readonly items: readonly string[];
  /** The values that it has no more. */
  readonly removed: readonly string[];
  /** The columns of this type, with their tables. */
  readonly columns: readonly { readonly table: string; readonly column: Column }[];
}

/** Finds the enum types that lose values or get them in another order. */
export function remadeEnums({ changedTables }: SchemaDifference): readonly RemadeEnum[] {
  const found = new Map<string, RemadeEnum>();
  for (const { toTable, changedColumns } of Object.values(changedTables)) {
    for (const { fromColumn, column, changedProperties } of Object.values(changedColumns)) {
      const name = column.nativeEnumName?.split('.').at(-1);
      const { enumItems: items = [] } = column;
      const old = fromColumn.enumItems ?? [];
      const kept = items.filter((item) => old.includes(item));
      const isRemade = kept.join('\0') !== old.join('\0');
      if (name === undefined || !fromColumn.nativeEnumName || !changedProperties.has('enumItems') || !isRemade)
        continue;
      const columns = [...(found.get(name)?.columns ?? []), { table: toTable.name, column }];
      found.set(name, { name, items, removed: old.filter((item) => !items.includes(item)), columns });
    }
  }
  return [...found.values()];
}

/** The statements that make an enum type anew, in order. */
export function remakeEnumSql({ name, items, columns }: RemadeEnum): readonly string[] {
  const [type, old] = [quoteIdentifier(name), quoteIdentifier(`${name.slice(0, 40)}_old`)];
  return [
    `alter type ${type} rename to ${old}`,
    `create type ${type} as enum (${items.map(quoteLiteral).join(', ')})`,
    ...columns.flatMap(({ table, column }) => {
      const alter = `alter table ${quoteIdentifier(table)} alter column ${quoteIdentifier(column.name)}`;
      const array = column.type.endsWith('[]') ? '[]' : '';
      const to = `${type}${array}`;
      return [
        `${alter} drop default`,
        `${alter} type ${to} using (${quoteIdentifier(column.name)}::text${array}::${to})`,
        ...(column.default == null ? [] : [`${alter} set default ${withoutCast(column.default)}`]),
      ];
    }),
    `drop type ${old}`,
  ];
}

function withoutCast(value: string): string {
  return value.replace(/::[\w".]+(\[\])?$/, '');
}
