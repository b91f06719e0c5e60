import type { EntityClass, FilterQuery, OrderDefinition } from '@mikro-orm/core';
import { CursorError } from '@mikro-orm/core';
import type { EntityManager } from '@mikro-orm/postgresql';
import { badInput } from '../errors.ts';

/** The arguments of a Relay connection. */
export interface ConnectionArgs {
  readonly first?: number | null | undefined;
  readonly after?: string | null | undefined;
  readonly last?: number | null | undefined;
  readonly before?: string | null | undefined;
}

/** A page, as Relay's connections have it. */
export interface ConnectionPage<T> {
  readonly edges: { readonly cursor: string; readonly node: T }[];
  readonly pageInfo: {
    readonly hasNextPage: boolean;
    readonly hasPreviousPage: boolean;
    readonly startCursor: string | null;
    readonly endCursor: string | null;
  };
  /** Counted only when it is asked for. */
  readonly totalCount: () => Promise<number>;
}

const DEFAULT_PAGE = 20;
const MAX_PAGE = 100;

/**
 * A page of entities, by a cursor over `orderBy`, which must end in a unique column.
 * @throws {AppError} BAD_USER_INPUT if the arguments make no sense
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
  const cursor = await em
    .findByCursor(entity, { ...page, where, orderBy: options.orderBy, includeCount: false })
    .catch((error: unknown) => {
      throw error instanceof CursorError || error instanceof SyntaxError
        ? badInput('after', 'This is no cursor of this list')
        : error;
    });
  return {
    edges: cursor.items.map((node) => ({ cursor: cursor.from(node), node })),
    pageInfo: {
      hasNextPage: cursor.hasNextPage,
      hasPreviousPage: cursor.hasPrevPage,
      startCursor: cursor.startCursor,
      endCursor: cursor.endCursor,
    },
    totalCount: () => em.count(entity, where),
  };
}

/** The page that is asked for, within the limits. */
export function pageOf({ first, after, last, before }: ConnectionArgs) {
  if (first != null && last != null) throw badInput('last', 'Ask for first or last, not both');
  for (const [field, value] of Object.entries({ first, last })) {
    if (value != null && (value < 1 || value > MAX_PAGE))
      throw badInput(field, `${field} must be from 1 to ${MAX_PAGE}`);
  }
  return {
    ...(last == null ? { first: first ?? DEFAULT_PAGE } : { last }),
    ...(after != null && { after }),
    ...(before != null && { before }),
  };
}
