import type { EntityProperty } from '@mikro-orm/core';
import { quoteIdentifier } from '../../../postgres/sql/quote.ts';
import type { DefaultOrder, EntityModel, SortOrder } from '../entity-model.ts';
import { propertyOf } from '../metadata.ts';

/** One column of an order. */
export interface OrderColumn {
  /** The quoted name. */
  readonly column: string;
  readonly isNullable: boolean;
  readonly isDescending: boolean;
  readonly nullsFirst: boolean;
}

/** A total order of the rows of an entity. */
export interface ListOrder {
  readonly columns: readonly OrderColumn[];
  /** Identifies the order in cursors. */
  readonly key: string;
  /** The permissions that its columns need. */
  readonly permissions: readonly string[];
}

/** Returns an order by properties of an entity. The primary key comes last, so that no two rows are equal. */
export function listOrder(
  model: EntityModel,
  order: readonly (readonly [property: string, sort: SortOrder])[],
): ListOrder {
  const { meta, primaryKey } = model;
  const chosen = order.map(([name, sort]) => ({ property: propertyOf(meta, name), sort }));
  const last = primaryKey.map((property) => ({ property, sort: lastSort(order) }));
  const columns = new Map<string, OrderColumn>();
  for (const { property, sort } of [...chosen, ...last]) {
    // A column that comes again makes no difference.
    for (const column of columnsOf(property, sort)) if (!columns.has(column.column)) columns.set(column.column, column);
  }
  return {
    columns: [...columns.values()],
    key: order.map(([name, sort]) => `${name} ${sort}`).join(),
    permissions: order.flatMap(([name]) => model.fields.get(name)?.permission ?? []),
  };
}

/**
 * Returns the default order of a list.
 * @throws {Error} if it has a column that needs a permission: cursors contain the column's values
 */
export function defaultOrder(model: EntityModel, order: DefaultOrder): ListOrder {
  const found = listOrder(model, Object.entries(order));
  if (found.permissions.length > 0)
    throw new Error(`The default order of ${model.name} has a column that needs a permission`);
  return found;
}

/** The same direction for all columns lets PostgreSQL read both from one index. */
function lastSort(order: readonly (readonly [property: string, sort: SortOrder])[]): SortOrder {
  return order.at(-1)?.[1].startsWith('DESC') ? 'DESC' : 'ASC';
}

function columnsOf(property: EntityProperty, sort: SortOrder): OrderColumn[] {
  const isDescending = sort.startsWith('DESC');
  const nullsFirst = sort === 'DESC' || sort === 'ASC_NULLS_FIRST';
  const isNullable = property.nullable ?? false;
  return property.fieldNames.map((name) => ({ column: quoteIdentifier(name), isNullable, isDescending, nullsFirst }));
}

/** Returns the order in which a page is read: backward pages are read from the end. */
export function readingOrder({ columns }: Pick<ListOrder, 'columns'>, isBackward: boolean): readonly OrderColumn[] {
  if (!isBackward) return columns;
  return columns.map((each) => ({ ...each, isDescending: !each.isDescending, nullsFirst: !each.nullsFirst }));
}

/** Returns an ORDER BY list over the columns of a table alias. */
export function orderSql(columns: readonly OrderColumn[], alias: string): string {
  const parts = columns.map(({ column, isNullable, isDescending, nullsFirst }) => {
    const direction = isDescending ? ' DESC' : '';
    // PostgreSQL's own order of NULL is that of its indexes.
    const nulls = isNullable && nullsFirst !== isDescending ? ` NULLS ${nullsFirst ? 'FIRST' : 'LAST'}` : '';
    return `${alias}.${column}${direction}${nulls}`;
  });
  return parts.join(', ');
}

/**
 * Returns a condition for the rows that come after a cursor.
 * @param values the cursor's values; only whether they are NULL becomes part of the text
 * @param bind returns the parameter with the value at an index
 * @see https://use-the-index-luke.com/no-offset
 */
export function afterSql(
  columns: readonly OrderColumn[],
  alias: string,
  values: readonly (string | null)[],
  bind: (index: number) => string,
): string {
  const names = columns.map(({ column }) => `${alias}.${column}`);
  const [first] = columns;
  if (!first) return 'TRUE';
  if (columns.every(({ isNullable, isDescending }) => !isNullable && isDescending === first.isDescending)) {
    return `(${names.join(', ')}) ${first.isDescending ? '<' : '>'} (${columns.map((_, index) => bind(index)).join(', ')})`;
  }
  const equal: string[] = [];
  const terms: string[] = [];
  for (const [index, column] of columns.entries()) {
    const name = names[index] ?? '';
    const isNull = values[index] === null;
    const after = isNull ? afterNull(column, name) : afterValue(column, name, bind(index));
    if (after) terms.push([...equal, after].join(' AND '));
    equal.push(isNull ? `${name} IS NULL` : `${name} = ${bind(index)}`);
  }
  if (terms.length === 0) return 'FALSE';
  // It follows from the rest, but an index can use it.
  const bound = first.isNullable ? '' : `${names[0]} ${first.isDescending ? '<=' : '>='} ${bind(0)} AND `;
  return `${bound}(${terms.join(' OR ')})`;
}

function afterNull({ nullsFirst }: OrderColumn, name: string): string | undefined {
  return nullsFirst ? `${name} IS NOT NULL` : undefined;
}

function afterValue({ isNullable, isDescending, nullsFirst }: OrderColumn, name: string, value: string): string {
  const beyond = `${name} ${isDescending ? '<' : '>'} ${value}`;
  return isNullable && !nullsFirst ? `(${beyond} OR ${name} IS NULL)` : beyond;
}
