import type { FilterQuery } from '@mikro-orm/core';
import type { QBFilterQuery } from '@mikro-orm/sql';
import type { Catalog } from '../../../catalog/catalog.ts';
import { Tenant } from '../../../catalog/entities/tenant.entity.ts';
import { badInput } from '../../../lib/errors.ts';
import { type ConnectionArgs, type ConnectionPage, pageSizeOf } from '../../../orm/pagination.ts';
import { quoteIdentifier } from '../../../postgres/sql/quote.ts';
import { encodeCursor } from '../../entities/cursor.ts';
import type { SortOrder } from '../../entities/entity-model.ts';
import type { OrderColumn } from '../../entities/sql/order.ts';
import { type RowOrder, readTenantRows, type TenantRow } from './tenant-rows.ts';

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
  const where = args.where as QBFilterQuery<Tenant>;
  const filter = em.createQueryBuilder(Tenant, 'f').select('id').where(where).getFormattedQuery();
  const isFiltered = Object.keys(args.where).length > 0;
  const rows = await readTenantRows(catalog, { order, limit, filter: isFiltered ? filter : undefined, args });
  const page = isBackward ? rows.slice(0, limit).toReversed() : rows.slice(0, limit);
  const found = await em.find(Tenant, { id: { $in: page.map(({ id }) => id) } });
  const tenants = new Map(found.map((tenant) => [tenant.id, tenant]));
  const cursor = (row: TenantRow | undefined) => (row ? encodeCursor(order.key, row.values) : null);
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

function orderOf(orderBy: readonly TenantOrder[]): RowOrder {
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
