import type { FilterQuery } from '@mikro-orm/core';
import type { QBFilterQuery } from '@mikro-orm/sql';
import type { Catalog } from '../../../catalog/catalog.ts';
import { Tenant } from '../../../catalog/entities/tenant.entity.ts';
import { badInput } from '../../../lib/errors.ts';
import { type ConnectionArgs, type ConnectionPage, invalidCursor, pageSizeOf } from '../../../orm/pagination.ts';
import { isDataException } from '../../../postgres/sql/error-codes.ts';
import { quoteIdentifier } from '../../../postgres/sql/quote.ts';
import { type CursorValues, decodeCursor, encodeCursor } from '../../entities/cursor.ts';
import type { SortOrder } from '../../entities/entity-model.ts';
import { afterSql, type OrderColumn, orderSql, readingOrder } from '../../entities/sql/order.ts';

/** The columns by which tenants can be ordered, by the names of the API. */
export const tenantOrderColumns = {
  name: { column: 'name', isNullable: false },
  slug: { column: 'slug', isNullable: false },
  status: { column: 'status', isNullable: false },
  version: { column: 'version', isNullable: true },
  createdAt: { column: 'created_at', isNullable: false },
  lastMigratedAt: { column: 'last_migrated_at', isNullable: true },
} as const;

type OrderField = keyof typeof tenantOrderColumns;

/** One column of an order, as GraphQL has coerced it. */
export type TenantOrder = Readonly<Partial<Record<OrderField, SortOrder | null>>>;

interface Order {
  readonly columns: readonly OrderColumn[];
  /** Identifies the order in cursors. */
  readonly key: string;
}

type Row = { readonly id: string; readonly values: CursorValues };

/**
 * Returns a page of tenants in an order of the caller's.
 * @throws {AppError} BAD_USER_INPUT if the arguments are invalid
 */
export async function listTenants(
  catalog: Catalog,
  args: ConnectionArgs & { readonly orderBy: readonly TenantOrder[]; readonly where: FilterQuery<Tenant> },
): Promise<ConnectionPage<Tenant>> {
  const em = catalog.fork();
  const order = orderOf(args.orderBy);
  const limit = pageSizeOf(args);
  const isBackward = args.last != null;
  // A FilterQuery may also be a primary key, which tenantWhere never returns.
  const filter = em
    .createQueryBuilder(Tenant, 'f')
    .select('id')
    .where(args.where as QBFilterQuery<Tenant>);
  const rows = await readRows(catalog, { order, limit, filter: filter.getFormattedQuery(), args });
  const page = isBackward ? rows.slice(0, limit).toReversed() : rows.slice(0, limit);
  const found = await em.find(Tenant, { id: { $in: page.map(({ id }) => id) } });
  const tenants = new Map(found.map((tenant) => [tenant.id, tenant]));
  const cursor = (row: Row | undefined) => (row ? encodeCursor(order.key, row.values) : null);
  const hasMore = rows.length > limit;
  return {
    edges: page.flatMap((row) => {
      // A tenant may have been deleted since.
      const node = tenants.get(row.id);
      return node ? { node, cursor: encodeCursor(order.key, row.values) } : [];
    }),
    pageInfo: {
      hasNextPage: isBackward ? args.before != null : hasMore,
      hasPreviousPage: isBackward ? hasMore : args.after != null,
      startCursor: cursor(page[0]),
      endCursor: cursor(page.at(-1)),
    },
    totalCount: () => em.count(Tenant, args.where),
  };
}

function orderOf(orderBy: readonly TenantOrder[]): Order {
  const chosen = new Map<OrderField, SortOrder>();
  for (const each of orderBy) {
    for (const [name, sort] of Object.entries(each)) {
      // The schema has no other fields.
      const field = name as OrderField;
      if (sort && chosen.has(field)) throw badInput('orderBy', `orderBy has ${field} twice`);
      if (sort) chosen.set(field, sort);
    }
  }
  const columns = [...chosen].map(([name, sort]) => orderColumn(tenantOrderColumns[name], sort));
  const last = [...chosen.values()].at(-1)?.startsWith('DESC') ? 'DESC' : 'ASC';
  return {
    columns: [...columns, orderColumn({ column: 'id', isNullable: false }, last)],
    key: [...chosen].map(([name, sort]) => `${name} ${sort}`).join(),
  };
}

function orderColumn(
  { column, isNullable }: { readonly column: string; readonly isNullable: boolean },
  sort: SortOrder,
): OrderColumn {
  return {
    column: quoteIdentifier(column),
    isNullable,
    isDescending: sort.startsWith('DESC'),
    nullsFirst: sort === 'DESC' || sort === 'ASC_NULLS_FIRST',
  };
}

// Names of migrations are compared as the folder orders them.
const source = `SELECT t.id, t.name, t.slug, t.status, v.version COLLATE "C" AS version, t.created_at, t.last_migrated_at
  FROM tenants t LEFT JOIN migration_states v ON v.id = t.migration_state`;

/** Reads one row more than the page has. */
async function readRows(
  catalog: Catalog,
  {
    order,
    limit,
    filter,
    args,
  }: {
    readonly order: Order;
    readonly limit: number;
    /** A statement that returns the ids of the tenants to list. */
    readonly filter: string;
    readonly args: ConnectionArgs;
  },
): Promise<readonly Row[]> {
  const values: string[] = [];
  const conditions = [`t.id IN (${filter})`];
  for (const [field, cursor] of [['after', args.after] as const, ['before', args.before] as const]) {
    if (cursor == null) continue;
    const found = decodeCursor(field, cursor, order.key, order.columns.length);
    const parameters = new Map<number, string>();
    const bind = (index: number) => {
      // PostgreSQL refuses a value that the text does not use, and the text uses each column's value at least once.
      const parameter = parameters.get(index) ?? `$${values.push(found[index] ?? '')}`;
      parameters.set(index, parameter);
      return parameter;
    };
    conditions.push(afterSql(readingOrder(order, field === 'before'), 't', found, bind));
  }
  const columns = order.columns.map(({ column }) => `t.${column}::text`);
  const text = `SELECT t.id, ARRAY[${columns.join(', ')}] AS values FROM (${source}) t
    WHERE ${conditions.join(' AND ')} ORDER BY ${orderSql(readingOrder(order, args.last != null), 't')} LIMIT ${limit + 1}`;
  try {
    const { rows } = await catalog.use((client) => client.query<Row>(text, values));
    return rows;
  } catch (error) {
    throw isDataException(error) ? invalidCursor(args.after != null ? 'after' : 'before') : error;
  }
}
