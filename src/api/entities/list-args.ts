import { badInput } from '../../lib/errors.ts';
import { pageSizeOf } from '../../orm/pagination.ts';
import { type CursorValues, decodeCursor } from './cursor.ts';
import type { EntityModel, SortOrder } from './entity-model.ts';
import { type FilterValue, filterShape } from './filter-limits.ts';
import { type ListOrder, listOrder } from './sql/order.ts';

/** The arguments of a list field, as GraphQL has coerced them. */
export interface RawListArgs {
  readonly first?: number | null | undefined;
  readonly after?: string | null | undefined;
  readonly last?: number | null | undefined;
  readonly before?: string | null | undefined;
  readonly filter?: FilterValue | null | undefined;
  readonly orderBy?: readonly Readonly<Record<string, SortOrder>>[] | null | undefined;
}

/** What is fixed about a list. */
export interface ListSpec {
  readonly model: EntityModel;
  readonly order: ListOrder;
  /** The maximum size of a plain list; undefined for a connection. */
  readonly maxItems: number | undefined;
}

/** Valid arguments of a list. */
export interface ListArgs {
  readonly filter: FilterValue | undefined;
  readonly order: ListOrder;
  /** Whether the page is read from the end. */
  readonly isBackward: boolean;
  readonly limit: number;
  readonly after: CursorValues | undefined;
  readonly before: CursorValues | undefined;
  /** Equal for arguments that need the same SQL. */
  readonly shape: string;
}

/** The maximum number of columns to order by. */
const MAX_ORDER_COLUMNS = 5;

/**
 * Validates the arguments of a list, before anything is done with them.
 * @throws {AppError} BAD_USER_INPUT
 */
export function listArgs(spec: ListSpec, raw: RawListArgs): ListArgs {
  const order = orderOf(spec, raw.orderBy);
  const cursor = (field: 'after' | 'before') => {
    const text = raw[field];
    return text == null ? undefined : decodeCursor(field, text, order.key, order.columns.length);
  };
  const isBackward = raw.last != null;
  const limit = pageSize(spec, raw);
  const [after, before] = [cursor('after'), cursor('before')];
  const filter = raw.filter ?? undefined;
  const shape = `${isBackward} ${limit} ${nulls(after)} ${nulls(before)} ${order.key} ${filter ? filterShape(filter) : ''}`;
  return { filter, order, isBackward, limit, after, before, shape };
}

/**
 * Returns the requested page size or the default.
 * @throws {AppError} BAD_USER_INPUT
 */
export function pageSize({ maxItems }: Pick<ListSpec, 'maxItems'>, args: Pick<RawListArgs, 'first' | 'last'>): number {
  return pageSizeOf(args, maxItems, maxItems);
}

/** Returns the order of a list with these arguments. */
export function orderOf({ model, order }: ListSpec, orderBy: RawListArgs['orderBy']): ListOrder {
  if (!orderBy?.length) return order;
  if (orderBy.length > MAX_ORDER_COLUMNS) {
    throw badInput('orderBy', `orderBy has ${orderBy.length} columns; the limit is ${MAX_ORDER_COLUMNS}`);
  }
  return listOrder(
    model,
    orderBy.flatMap((each) => Object.entries(each)),
  );
}

function nulls(cursor: CursorValues | undefined): string {
  return cursor ? cursor.map((value) => (value === null ? 0 : 1)).join('') : '-';
}
