import { badInput } from '../../lib/errors.ts';

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
  const shapeOf = (value: unknown, name: string, depth: number): string => {
    if (value === null) throw badInput(name, `${name} must not be null in a filter. Use isNull to find empty values.`);
    if (depth > MAX_FILTER_DEPTH) throw badInput('filter', `A filter can be ${MAX_FILTER_DEPTH} levels deep at most`);
    if (isList(value)) return `[${value.map((each) => shapeOf(each, name, depth)).join()}]`;
    if (isObject(value)) {
      const parts = Object.entries(value).map(([key, inner]) => `${key}:${shapeOf(inner, key, depth + 1)}`);
      return `{${parts.join()}}`;
    }
    conditions += 1;
    if (conditions > MAX_CONDITIONS) throw badInput('filter', `A filter can have ${MAX_CONDITIONS} conditions at most`);
    // `isNull: true` and `isNull: false` need different SQL.
    return typeof value === 'boolean' ? String(value) : '?';
  };
  return shapeOf(filter, 'filter', 1);
}

/** Whether it is a list of filters, and not of values that become one parameter. */
function isList(value: unknown): value is readonly FilterValue[] {
  return Array.isArray(value) && value.every(isObject);
}

/** Whether it is a filter or the conditions of a field, and not a value. */
export function isObject(value: unknown): value is FilterValue {
  // GraphQL makes input objects without a prototype. A JSON value and a time have one.
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === null;
}
