import { badInput } from '../lib/errors.ts';
import { MAX_PAGE } from '../orm/pagination.ts';
import { builder } from './builder.ts';

/** Which part of a list is asked for, where the list is no connection. */
export interface PageArgs {
  readonly first?: number | null | undefined;
  /** What names the last item of the page before. */
  readonly after?: string | null | undefined;
}

/**
 * The arguments of a list that has pages and is no connection, such as one that had no pages once.
 * @param key what `after` names of an item
 * @param otherwise the size of a page that is not asked for; the largest has {@link MAX_PAGE} items
 */
export function pageArgs(key: string, otherwise = MAX_PAGE) {
  return builder.args((t) => ({
    first: t.int({ defaultValue: otherwise, description: `From 1 to ${MAX_PAGE}.` }),
    after: t.id({ description: `${key} of the last item of the page before.` }),
  }));
}

/**
 * The size of the page that is asked for.
 * @throws {AppError} BAD_USER_INPUT
 */
export function pageSize({ first }: PageArgs): number {
  if (first == null) return MAX_PAGE;
  if (first >= 1 && first <= MAX_PAGE) return first;
  throw badInput('first', `first must be from 1 to ${MAX_PAGE}`);
}

/**
 * A page of what is in memory.
 * @param names tells what may stand in `after` for an item
 * @throws {AppError} BAD_USER_INPUT if the size cannot be, or `after` names no item
 */
export function pageOfItems<T>(items: readonly T[], args: PageArgs, names: (item: T) => readonly string[]): T[] {
  const size = pageSize(args);
  const { after } = args;
  if (after == null) return items.slice(0, size);
  const last = items.findIndex((item) => names(item).includes(after));
  if (last < 0) throw badInput('after', 'There is no such item in this list');
  return items.slice(last + 1, last + 1 + size);
}
