import type { Catalog } from '../../../catalog/catalog.ts';
import { type ConnectionArgs, invalidCursor } from '../../../orm/pagination.ts';
import { isDataException } from '../../../postgres/sql/error-codes.ts';
import { type CursorValues, decodeCursor } from '../../entities/cursor.ts';
import { afterSql, type OrderColumn, orderSql, readingOrder } from '../../entities/sql/order.ts';

/** A total order of tenants. */
export interface RowOrder {
  readonly columns: readonly OrderColumn[];
  /** Identifies the order in cursors. */
  readonly key: string;
}

/** A tenant of a page, with the values of its cursor. */
export interface TenantRow {
  readonly id: string;
  readonly values: CursorValues;
}

interface Reading {
  readonly order: RowOrder;
  readonly limit: number;
  /** A statement that returns the ids of the tenants to list. Undefined for all. */
  readonly filter: string | undefined;
  readonly args: ConnectionArgs;
}

/**
 * The rows that one statement reads: those with a value in the first column of the order, or those without. An index leads to
 * the middle of one of them, but not to the middle of both in one order.
 */
type Part = 'value' | 'null' | 'all';

/** Reads one row more than the page has. */
export async function readTenantRows(catalog: Catalog, reading: Reading): Promise<readonly TenantRow[]> {
  const { order, limit, args } = reading;
  const rows: TenantRow[] = [];
  for (const part of partsOf(readingOrder(order, args.last != null))) {
    const statement = statementFor(part, reading, limit + 1 - rows.length);
    if (!statement) continue;
    try {
      rows.push(...(await catalog.use((client) => client.query<TenantRow>(statement.text, statement.values))).rows);
    } catch (error) {
      throw isDataException(error) ? invalidCursor(args.after != null ? 'after' : 'before') : error;
    }
    if (rows.length > limit) break;
  }
  return rows;
}

/** The parts in which rows are read in this order. */
function partsOf([first]: readonly OrderColumn[]): readonly Part[] {
  if (!first?.isNullable) return ['all'];
  return first.nullsFirst ? ['null', 'value'] : ['value', 'null'];
}

/** Undefined if a cursor says that the page has no row of this part. */
function statementFor(
  part: Part,
  { order, filter, args }: Reading,
  limit: number,
): { readonly text: string; readonly values: string[] } | undefined {
  const values: string[] = [];
  const conditions = filter === undefined ? [] : [`t.id IN (${filter})`];
  const first = order.columns[0]?.column;
  if (part !== 'all') conditions.push(`t.${first} IS ${part === 'null' ? '' : 'NOT '}NULL`);
  for (const [field, cursor] of [['after', args.after] as const, ['before', args.before] as const]) {
    if (cursor == null) continue;
    const found = decodeCursor(field, cursor, order.key, order.columns.length);
    const direction = readingOrder(order, field === 'before');
    const parts = partsOf(direction);
    const own: Part = part === 'all' ? 'all' : found[0] === null ? 'null' : 'value';
    if (parts.indexOf(part) < parts.indexOf(own)) return undefined;
    if (part !== own) continue;
    const parameters = new Map<number, string>();
    // PostgreSQL refuses a value that the text does not use, and the text uses each column's value at least once.
    const skipped = part === 'null' ? 1 : 0;
    const bind = (index: number) => {
      const parameter = parameters.get(index) ?? `$${values.push(found[index + skipped] ?? '')}`;
      parameters.set(index, parameter);
      return parameter;
    };
    conditions.push(afterSql(columnsOf(part, direction), 't', found.slice(skipped), bind));
  }
  const columns = order.columns.map(({ column }) => `t.${column}::text`);
  const ordered = orderSql(columnsOf(part, readingOrder(order, args.last != null)), 't');
  const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : '';
  return {
    text: `SELECT t.id, ARRAY[${columns.join(', ')}] AS values FROM tenants t ${where} ORDER BY ${ordered} LIMIT ${limit}`,
    values,
  };
}

/** The columns that distinguish the rows of a part. */
function columnsOf(part: Part, columns: readonly OrderColumn[]): readonly OrderColumn[] {
  const [first, ...others] = columns;
  if (part === 'null') return others;
  return first && part === 'value' ? [{ ...first, isNullable: false }, ...others] : columns;
}
