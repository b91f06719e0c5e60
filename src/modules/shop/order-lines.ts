import type { EntityManager } from '@mikro-orm/postgresql';
import { badInput } from '../../errors.ts';
import { type Order, OrderLine } from './order.entity.ts';
import { MAX_LINES } from './place-order.ts';
import { Product } from './product.entity.ts';

/**
 * The first lines of each of some orders, in one statement.
 * @throws {AppError} BAD_USER_INPUT
 */
export async function linesOf(em: EntityManager, orders: readonly Order[], first: number): Promise<OrderLine[][]> {
  if (first < 1 || first > MAX_LINES) throw badInput('first', `first must be from 1 to ${MAX_LINES}`);
  // An order that has just been placed has its lines.
  const ids = orders.filter(({ lines }) => !lines.isInitialized()).map(({ id }) => id);
  // Positions count from 1, so that this is a limit for each order.
  const found =
    ids.length === 0
      ? []
      : await em.find(
          OrderLine,
          { order: { $in: ids }, position: { $gte: 1, $lte: first } },
          { orderBy: { position: 'asc' } },
        );
  const ofOrders = Map.groupBy(found, ({ order }) => order.id);
  return orders.map(({ id, lines }) =>
    lines.isInitialized()
      ? lines
          .getItems()
          .toSorted((a, b) => a.position - b.position)
          .slice(0, first)
      : (ofOrders.get(id) ?? []),
  );
}

/** The product of each of some lines, in one statement. */
export async function productsOf(em: EntityManager, lines: readonly OrderLine[]): Promise<Product[]> {
  const ids = new Set(lines.filter(({ product }) => !product.isInitialized()).map(({ product }) => product.id));
  const found = ids.size === 0 ? [] : await em.find(Product, { id: { $in: [...ids] } });
  const products = new Map(found.map((product) => [product.id, product]));
  return lines.map(({ product }) => products.get(product.id) ?? product.getEntity());
}
