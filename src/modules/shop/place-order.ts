import { LockMode } from '@mikro-orm/core';
import type { EntityManager } from '@mikro-orm/postgresql';
import { AppError, badInput, isUuid } from '../../platform.ts';
import { totalOf } from './money.ts';
import { Order, OrderLine } from './order.entity.ts';
import { Product } from './product.entity.ts';

/** A product and its quantity in a client's order. */
export interface OrderLineInput {
  /** The product's id. */
  readonly product: string;
  readonly quantity: number;
}

/** The maximum number of lines of an order. */
export const MAX_LINES = 100;
const MAX_QUANTITY = 1_000_000;

/**
 * Orders products and takes them from the stock. Does nothing if any of them is missing.
 * @throws {AppError} BAD_USER_INPUT, NOT_FOUND for an unknown product, CONFLICT if too few are left
 */
export async function placeOrder(tenantEm: EntityManager, lines: readonly OrderLineInput[]): Promise<Order> {
  const wanted = quantities(lines);
  // A fork has an empty identity map, so the stock is read under the lock.
  return tenantEm.fork().transactional(async (em) => {
    const products = await lockProducts(em, [...wanted.keys()]);
    const bought = [...wanted].map(([id, quantity]) => {
      const product = take(products.get(id), id, quantity);
      return { product, quantity, unitPrice: product.price };
    });
    const order = em.create(Order, { total: totalOf(bought), currency: oneCurrency(bought) });
    for (const [index, line] of bought.entries()) em.create(OrderLine, { ...line, order, position: index + 1 });
    return order;
  });
}

/** Sums the quantities by product, in the order in which the products first appear. */
function quantities(lines: readonly OrderLineInput[]): Map<string, number> {
  if (lines.length < 1 || lines.length > MAX_LINES) {
    throw badInput('lines', `An order must have 1 to ${MAX_LINES} lines`);
  }
  const wanted = new Map<string, number>();
  for (const { product, quantity } of lines) {
    const id = product.toLowerCase();
    const sum = quantity + (wanted.get(id) ?? 0);
    if (!Number.isInteger(quantity) || quantity < 1 || sum > MAX_QUANTITY) {
      throw badInput('quantity', `The quantity of a product must be from 1 to ${MAX_QUANTITY}`);
    }
    wanted.set(id, sum);
  }
  return wanted;
}

async function lockProducts(em: EntityManager, ids: readonly string[]): Promise<Map<string, Product>> {
  const products = await em.find(
    Product,
    // PostgreSQL would reject the whole statement for one id that is not a UUID.
    { id: { $in: ids.filter((id) => isUuid(id)) } },
    // Locks are always taken in the same order, so that concurrent orders cannot deadlock.
    { orderBy: { id: 'asc' }, lockMode: LockMode.PESSIMISTIC_WRITE },
  );
  return new Map(products.map((product) => [product.id, product]));
}

function take(product: Product | undefined, id: string, quantity: number): Product {
  if (!product) throw new AppError('NOT_FOUND', `There is no product ${id}`, { details: { product: id } });
  if (product.stock < quantity) {
    throw new AppError('CONFLICT', `The stock of the product ${product.sku} is only ${product.stock}`, {
      details: { product: product.id, available: product.stock },
    });
  }
  product.stock -= quantity;
  return product;
}

function oneCurrency(lines: readonly { readonly product: Product }[]): string {
  const [currency, ...others] = new Set(lines.map(({ product }) => product.currency));
  if (currency === undefined || others.length > 0) {
    throw badInput('lines', 'All products of an order must be priced in the same currency');
  }
  return currency;
}
