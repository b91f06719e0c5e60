import type { EntityManager } from '@mikro-orm/postgresql';
import { badInput } from '../../platform.ts';
import type { Order, OrderLine } from './order.entity.ts';
import { MAX_LINES } from './place-order.ts';
import { Product } from './product.entity.ts';

/** A line of an order. It is not an entity, because there can be a hundred lines per order and entities are slow to create. */
export interface Line {
  readonly productId: string;
  /** The product, if it is already loaded. */
  readonly product?: Product;
  readonly quantity: number;
  readonly unitPrice: string;
}

interface LineRow {
  readonly order_id: string;
  readonly position: number;
  readonly product_id: string;
  readonly quantity: number;
  readonly unit_price: string;
}

/**
 * Returns the first lines of each order, in one statement.
 * @throws {AppError} BAD_USER_INPUT
 */
export async function linesOf(em: EntityManager, orders: readonly Order[], first: number): Promise<Line[][]> {
  if (first < 1 || first > MAX_LINES) throw badInput('first', `first must be from 1 to ${MAX_LINES}`);
  // An order that was just placed has its lines loaded.
  const ids = orders.filter(({ lines }) => !lines.isInitialized()).map(({ id }) => id);
  const read = ids.length > 0 ? await readLines(em, ids, first) : new Map<string, Line[]>();
  return orders.map(({ id, lines }) =>
    lines.isInitialized() ? shown(lines.getItems()).slice(0, first) : (read.get(id) ?? []),
  );
}

/** Returns the product of each line, in one statement. */
export async function productsOf(em: EntityManager, lines: readonly Line[]): Promise<Product[]> {
  const ids = new Set(lines.filter(({ product }) => !product).map(({ productId }) => productId));
  const found = ids.size > 0 ? await em.find(Product, { id: { $in: [...ids] } }) : [];
  const products = new Map(found.map((product) => [product.id, product]));
  return lines.map(({ product, productId }) => product ?? products.get(productId) ?? missing(productId));
}

async function readLines(em: EntityManager, orders: readonly string[], first: number): Promise<Map<string, Line[]>> {
  const rows = await em
    .getKysely<{ order_lines: LineRow }>()
    .withSchema(em.schema ?? 'public')
    .selectFrom('order_lines')
    .select(['order_id', 'product_id', 'quantity', 'unit_price'])
    .where('order_id', 'in', orders)
    // Positions count from 1, so this limits the lines of each order.
    .where('position', '>=', 1)
    .where('position', '<=', first)
    .orderBy('position')
    .execute();
  const lines = new Map<string, Line[]>();
  for (const { order_id, product_id, quantity, unit_price } of rows) {
    const line = { productId: product_id, quantity, unitPrice: unit_price };
    const others = lines.get(order_id);
    if (others) others.push(line);
    else lines.set(order_id, [line]);
  }
  return lines;
}

function shown(lines: readonly OrderLine[]): Line[] {
  return lines
    .toSorted((a, b) => a.position - b.position)
    .map(({ product, quantity, unitPrice }) => ({
      productId: product.id,
      ...(product.isInitialized() && { product: product.getEntity() }),
      quantity,
      unitPrice,
    }));
}

/** Cannot happen, because of the foreign key. */
function missing(id: string): never {
  throw new Error(`The product ${id} of an order does not exist`);
}
