import type { ConnectionPage } from '../../orm/pagination.ts';
import { type CursorValues, encodeCursor } from './cursor.ts';
import { type ListSpec, orderOf, pageSize, type RawListArgs } from './list-args.ts';
import type { ListData, Row } from './read.ts';
import { CURSOR } from './sql/compile.ts';

/** A page whose rows have been counted by the statement that read them. */
export type EntityPage = Omit<ConnectionPage<Row>, 'totalCount'> & { readonly totalCount: number };

/** Returns the connection that a statement has read with these arguments. */
export function toConnection({ rows = [], total = 0 }: ListData, spec: ListSpec, args: RawListArgs): EntityPage {
  const { after, last, before } = args;
  const limit = pageSize(spec, args);
  const hasMore = rows.length > limit;
  const page = hasMore ? rows.slice(0, limit) : rows;
  const isBackward = last != null;
  const ordered = isBackward ? page.toReversed() : page;
  const { key } = orderOf(spec, args.orderBy);
  // The statement reads the values only if a cursor is selected.
  const cursor = (row: Row | undefined) => (row?.[CURSOR] ? encodeCursor(key, row[CURSOR] as CursorValues) : '');
  return {
    edges: ordered.map((node) => ({
      get cursor() {
        return cursor(node);
      },
      node,
    })),
    pageInfo: {
      hasNextPage: isBackward ? before != null : hasMore,
      hasPreviousPage: isBackward ? hasMore : after != null,
      get startCursor() {
        return cursor(ordered[0]) || null;
      },
      get endCursor() {
        return cursor(ordered.at(-1)) || null;
      },
    },
    totalCount: total,
  };
}

/** Returns the items of a plain list that a statement has read with these arguments. */
export function toItems({ rows = [] }: ListData, spec: ListSpec, args: RawListArgs): readonly Row[] {
  return rows.slice(0, pageSize(spec, args));
}
