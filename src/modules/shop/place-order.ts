import { LockMode } from '@mikro-orm/core';
import type { EntityManager } from '@mikro-orm/postgresql';
import { AppError, badInput, isUuid } from '../../platform.ts';
import { totalOf } from './money.ts';
import { Order, OrderLine } from './order.entity.ts';
import { Product } from './product.entity.ts';

/** How much of which product a client wants. */
export interface OrderLineInput {
  /** The product's id. */
  readonly product: string;
  readonly quantity: number;
}

/** The most lines of an order. */
export const MAX_LINES = 100;
const MAX_QUANTITY = 1_000_000;

/**
 * Orders products and takes them from the stock: all of them or, if any is missing, none.
 * @throws {AppError} BAD_USER_INPUT, NOT_FOUND for a product that is not there, CONFLICT if too few are left
 */
export async function placeOrder(tenantEm: EntityManager, lines: readonly OrderLineInput[]): Promise<Order> {
  const wanted = quantities(lines);
  // A fork knows no products yet, so that their stock is read under the lock and not taken from memory.
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

/** How many of each product, in the order in which they are named first. */
function quantities(lines: readonly OrderLineInput[]): Map<string, number> {
  if (lines.length < 1 || lines.length > MAX_LINES) {
    throw badInput('lines', `An order has from 1 to ${MAX_LINES} lines`);
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
    // PostgreSQL would refuse the whole statement for one text that is no UUID.
    { id: { $in: ids.filter((id) => isUuid(id)) } },
    // Always in the same order: two orders of the same products wait for each other but never in a circle.
    { orderBy: { id: 'asc' }, lockMode: LockMode.PESSIMISTIC_WRITE },
  );
  return new Map(products.map((product) => [product.id, product]));
}

function take(product: Product | undefined, id: string, quantity: number): Product {
  if (!product) throw new AppError('NOT_FOUND', `There is no product ${id}`, { details: { product: id } });
  if (product.stock < quantity) {
    throw new AppError('CONFLICT', `Only ${product.stock} of the product ${product.sku} are left`, {
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
