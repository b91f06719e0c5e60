import { CursorError, type EntityClass, type FilterQuery, type OrderDefinition } from '@mikro-orm/core';
import type { EntityManager } from '@mikro-orm/postgresql';
import { type AppError, badInput } from '../lib/errors.ts';
import { isUuid } from '../lib/uuid.ts';
import { isDataException } from '../postgres/sql/error-codes.ts';

/** The arguments of a Relay connection. */
export interface ConnectionArgs {
  readonly first?: number | null | undefined;
  readonly after?: string | null | undefined;
  readonly last?: number | null | undefined;
  readonly before?: string | null | undefined;
}

/** A page in the format of a Relay connection. */
export interface ConnectionPage<T> {
  readonly edges: { readonly cursor: string; readonly node: T }[];
  readonly pageInfo: {
    readonly hasNextPage: boolean;
    readonly hasPreviousPage: boolean;
    readonly startCursor: string | null;
    readonly endCursor: string | null;
  };
  /** Counts the items only when it is called. */
  readonly totalCount: () => Promise<number>;
}

/** The default page size. */
export const DEFAULT_PAGE = 20;

/** Digits of a second. */
const MILLISECONDS = 3;
const MICROSECONDS = 6;

/** The maximum page size. */
export const MAX_PAGE = 100;

/**
 * Returns a page of entities by a cursor over `orderBy`, which must end in a unique column. For lists of objects whose
 * fields have resolvers of their own; other lists are made with `listField`, which can order by any column.
 * @throws {AppError} BAD_USER_INPUT if the arguments are invalid
 * @throws {Error} if `orderBy` has a column that a cursor cannot continue from: one with NULL or with microseconds
 * @see https://relay.dev/graphql/connections.htm
 */
export async function entityConnection<T extends object>(
  em: EntityManager,
  entity: EntityClass<T>,
  args: ConnectionArgs,
  options: { readonly where?: FilterQuery<T>; readonly orderBy: OrderDefinition<T> },
): Promise<ConnectionPage<T>> {
  const where = options.where ?? {};
  const page = pageOf(args);
  checkOrder(em, entity, options.orderBy);
  checkCursors(em, entity, args, options.orderBy);
  const cursor = await em
    .findByCursor(entity, { ...page, where, orderBy: options.orderBy, includeCount: false })
    .catch((error: unknown) => {
      const field = args.after != null ? 'after' : 'before';
      // Without a condition, only the cursor can hold a malformed value.
      const isMalformed = isDataException(error) && options.where === undefined && args[field] != null;
      throw error instanceof CursorError || isMalformed ? invalidCursor(field) : error;
    });
  return {
    edges: cursor.items.map((node) => ({
      // Few clients request the cursor of each item, and making one takes longer than reading it.
      get cursor() {
        return cursor.from(node);
      },
      node,
    })),
    pageInfo: {
      hasNextPage: cursor.hasNextPage,
      hasPreviousPage: cursor.hasPrevPage,
      startCursor: cursor.startCursor,
      endCursor: cursor.endCursor,
    },
    totalCount: () => em.count(entity, where),
  };
}

/** Maps the nodes of a page. */
export function mapNodes<T, U>(page: ConnectionPage<T>, map: (node: T) => U): ConnectionPage<U> {
  const edges = page.edges.map((edge) => ({
    get cursor() {
      return edge.cursor;
    },
    node: map(edge.node),
  }));
  return { ...page, edges };
}

/** A cursor of MikroORM holds no NULL, and a date of JavaScript no microseconds: pages would end early or repeat. */
function checkOrder<T extends object>(em: EntityManager, entity: EntityClass<T>, orderBy: OrderDefinition<T>): void {
  const { properties, className } = em.getMetadata(entity);
  for (const key of Object.keys(orderBy)) {
    // The keys of orderBy are properties of the entity.
    const { nullable, runtimeType, length = MICROSECONDS } = properties[key as keyof typeof properties];
    if (nullable) throw new Error(`A page of ${className} cannot be ordered by ${key}, which can be NULL`);
    if (runtimeType === 'Date' && length > MILLISECONDS) {
      throw new Error(`A page of ${className} cannot be ordered by ${key}, which has microseconds; use p.datetime(3)`);
    }
  }
}

/** MikroORM does not validate cursors: one from another list would cause a wrong page or a crash. */
function checkCursors<T extends object>(
  em: EntityManager,
  entity: EntityClass<T>,
  cursors: Pick<ConnectionArgs, 'after' | 'before'>,
  orderBy: OrderDefinition<T>,
): void {
  const keys = Object.keys(orderBy);
  const { properties } = em.getMetadata(entity);
  for (const field of ['after', 'before'] as const) {
    const cursor = cursors[field];
    if (cursor == null) continue;
    const values = decodeCursorValues(cursor);
    const fits = (key: string, index: number) => {
      const value = values?.[index];
      // The keys of orderBy are properties of the entity.
      const { runtimeType, columnTypes } = properties[key as keyof typeof properties];
      if (runtimeType === 'number') return Number.isInteger(value);
      if (typeof value !== 'string') return false;
      if (columnTypes[0] === 'uuid') return isUuid(value);
      return runtimeType !== 'Date' || !Number.isNaN(Date.parse(value));
    };
    if (values?.length !== keys.length || !keys.every(fits)) throw invalidCursor(field);
  }
}

/** Returns the values in a cursor from a client; undefined if it is none. */
export function decodeCursorValues(cursor: string): readonly unknown[] | undefined {
  try {
    const values: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    return Array.isArray(values) ? values : undefined;
  } catch {
    return undefined;
  }
}

/** The error for a cursor that the list has not returned. */
export function invalidCursor(field: string): AppError {
  return badInput(field, 'Invalid cursor for this list');
}

/**
 * Returns the requested page size, or the default.
 * @param most the largest size
 * @throws {AppError} BAD_USER_INPUT
 */
export function pageSizeOf(
  { first, last }: Pick<ConnectionArgs, 'first' | 'last'>,
  most = MAX_PAGE,
  otherwise = DEFAULT_PAGE,
): number {
  if (first != null && last != null) throw badInput('last', 'Use first or last, not both');
  const size = first ?? last ?? otherwise;
  if (size >= 1 && size <= most) return size;
  const field = first == null ? 'last' : 'first';
  throw badInput(field, `${field} must be from 1 to ${most}`);
}

function pageOf(args: ConnectionArgs) {
  const { after, last, before } = args;
  const size = pageSizeOf(args);
  return {
    ...(last == null ? { first: size } : { last: size }),
    ...(after != null && { after }),
    ...(before != null && { before }),
  };
}
