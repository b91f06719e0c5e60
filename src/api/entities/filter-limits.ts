import { badInput } from '../../lib/errors.ts';
import { isOperator } from './column-kinds.ts';

/** A filter as GraphQL has coerced it: conditions by field, and `and`, `or`, `not`. */
export type FilterValue = Readonly<Record<string, unknown>>;

/** The maximum nesting of a filter, with the conditions of its fields. */
export const MAX_FILTER_DEPTH = 8;
/** The maximum number of conditions of a filter. */
export const MAX_CONDITIONS = 50;

/**
 * Returns a text that is equal for filters that differ in their values only, and so need the same SQL.
 * @throws {AppError} BAD_USER_INPUT if the filter is too deep, has too many conditions, or compares with null
 */
export function filterShape(filter: FilterValue): string {
  let conditions = 0;
  const condition = (value: unknown, name: string): string => {
    if (value === null) throw badInput(name, `${name} must not be null in a filter. Use isNull to find empty values.`);
    conditions += 1;
    if (conditions > MAX_CONDITIONS) throw badInput('filter', `A filter can have ${MAX_CONDITIONS} conditions at most`);
    // `isNull: true` and `isNull: false` need different SQL.
    return typeof value === 'boolean' ? String(value) : '?';
  };
  const shapeOf = (value: unknown, name: string, depth: number): string => {
    if (isOperator(name)) return condition(value, name);
    if (depth > MAX_FILTER_DEPTH) throw badInput('filter', `A filter can be ${MAX_FILTER_DEPTH} levels deep at most`);
    if (Array.isArray(value)) return `[${value.map((each) => shapeOf(each, name, depth)).join()}]`;
    const parts = Object.entries(objectIn(name, value)).map(
      ([key, inner]) => `${key}:${shapeOf(inner, key, depth + 1)}`,
    );
    return `{${parts.join()}}`;
  };
  return shapeOf(filter, 'filter', 1);
}

/**
 * What the arguments of a list cost, as if each condition and each column of the order was a field. Counting ends above
 * the limits, beyond which a filter is refused.
 */
export function costOfList({ filter, orderBy }: { readonly filter?: unknown; readonly orderBy?: unknown }): number {
  let conditions = 0;
  // A list instead of recursion: the filter's depth is not checked yet.
  const open: unknown[] = [filter];
  while (open.length > 0 && conditions <= MAX_CONDITIONS) {
    const current = open.pop();
    if (typeof current !== 'object' || current === null) continue;
    for (const [name, value] of Object.entries(current)) {
      if (isOperator(name)) conditions += 1;
      else open.push(value);
    }
  }
  return 1 + conditions + (Array.isArray(orderBy) ? orderBy.length : 0);
}

/**
 * Returns a part of a filter that has parts itself.
 * @throws {AppError} BAD_USER_INPUT if it is null: ignoring it would find more than the client wants
 */
export function objectIn(name: string, value: unknown): FilterValue {
  // GraphQL has checked that it is an input object or null.
  if (typeof value === 'object' && value !== null) return value as FilterValue;
  throw badInput(name, `${name} must not be null in a filter. Leave it out, or use isNull.`);
}
