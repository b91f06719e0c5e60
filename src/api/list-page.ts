import { badInput } from '../lib/errors.ts';
import { MAX_PAGE } from '../orm/pagination.ts';
import { builder } from './builder.ts';

/** The page arguments of a list that is not a connection. */
export interface PageArgs {
  readonly first?: number | null | undefined;
  /** Identifies the last item of the previous page. */
  readonly after?: string | null | undefined;
}

/**
 * The arguments of a paginated list that is not a connection, such as one that gained pages later.
 * @param key the property of an item that `after` refers to
 * @param otherwise the default page size; the largest page has {@link MAX_PAGE} items
 */
export function pageArgs(key: string, otherwise = MAX_PAGE) {
  return builder.args((t) => ({
    first: t.int({ defaultValue: otherwise, description: `From 1 to ${MAX_PAGE}.` }),
    after: t.id({ description: `${key} of the last item of the previous page.` }),
  }));
}

/**
 * The requested page size.
 * @throws {AppError} BAD_USER_INPUT
 */
export function pageSize({ first }: PageArgs): number {
  if (first == null) return MAX_PAGE;
  if (first >= 1 && first <= MAX_PAGE) return first;
  throw badInput('first', `first must be from 1 to ${MAX_PAGE}`);
}

/**
 * Returns a page of a list that is in memory.
 * @param names returns the values of `after` that identify an item
 * @throws {AppError} BAD_USER_INPUT if the size is out of range or `after` matches no item
 */
export function pageOfItems<T>(items: readonly T[], args: PageArgs, names: (item: T) => readonly string[]): T[] {
  const size = pageSize(args);
  const { after } = args;
  if (after == null) return items.slice(0, size);
  const last = items.findIndex((item) => names(item).includes(after));
  if (last < 0) throw badInput('after', 'No item of this list matches after');
  return items.slice(last + 1, last + 1 + size);
}
