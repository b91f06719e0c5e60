import type { Column, SchemaDifference } from '@mikro-orm/sql';
import { quoteIdentifier, quoteLiteral } from '../../postgres/sql/quote.ts';

/**
 * An enum type that must be made anew: PostgreSQL cannot remove or reorder its values.
 * @see https://www.postgresql.org/docs/current/sql-altertype.html
 */
export interface RemadeEnum {
  readonly name: string;
  readonly items: readonly string[];
  /** The values that it no longer has. */
  readonly removed: readonly string[];
  /** The columns of this type, with their tables and what they were. */
  readonly columns: readonly { readonly table: string; readonly column: Column; readonly fromColumn: Column }[];
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
      const columns = [...(found.get(name)?.columns ?? []), { table: toTable.name, column, fromColumn }];
      found.set(name, { name, items, removed: old.filter((item) => !items.includes(item)), columns });
    }
  }
  return [...found.values()];
}

/** The statements that make an enum type anew: those before all other changes, and the one after them. */
export interface RemakingSql {
  readonly first: readonly string[];
  readonly last: string;
}

/**
 * @param schema the quoted schema with a dot, or nothing
 * @param position its place among those that are made anew, because two names may begin alike
 */
export function remakeEnumSql({ name, items, columns }: RemadeEnum, schema: string, position: number): RemakingSql {
  const type = `${schema}${quoteIdentifier(name)}`;
  // Short enough for letters of four bytes.
  const old = quoteIdentifier(`${name.slice(0, 14)}_old${position || ''}`);
  const changes = columns.flatMap(({ table, column, fromColumn }) => {
    const alter = `alter table ${schema}${quoteIdentifier(table)} alter column ${quoteIdentifier(column.name)}`;
    const array = column.type.endsWith('[]') ? '[]' : '';
    return [
      ...(fromColumn.default == null ? [] : [`${alter} drop default`]),
      `${alter} type ${type}${array} using (${quoteIdentifier(column.name)}::text${array}::${type}${array})`,
      ...(column.default == null ? [] : [`${alter} set default ${withoutCast(column.default)}`]),
    ];
  });
  const created = `create type ${type} as enum (${items.map(quoteLiteral).join(', ')})`;
  return {
    first: [`alter type ${type} rename to ${old}`, created, ...changes],
    // Until now, a column that is dropped may be of the old type.
    last: `drop type ${schema}${old}`,
  };
}

function withoutCast(value: string): string {
  return value.replace(/::[\w".]+(\[\])?$/, '');
}
