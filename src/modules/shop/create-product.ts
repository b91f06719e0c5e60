import { UniqueConstraintViolationException } from '@mikro-orm/core';
import type { EntityManager } from '@mikro-orm/postgresql';
import { AppError, badInput, isPlainLine } from '../../platform.ts';
import { readCurrency, readPrice } from './money.ts';
import { Product } from './product.entity.ts';

/** A product in a client's input. */
export interface ProductInput {
  readonly sku: string;
  readonly name: string;
  readonly price: string;
  readonly currency: string;
  readonly stock: number;
}

/** Looks up currencies by code; `digits` is the number of decimal digits of an amount. */
export interface Currencies {
  currency(code: string): Promise<{ readonly digits: number } | undefined>;
}

/**
 * Adds a product to a tenant's shop.
 * @throws {AppError} BAD_USER_INPUT, or CONFLICT if the SKU is taken
 */
export async function createProduct(
  tenantEm: EntityManager,
  input: ProductInput,
  currencies: Currencies,
): Promise<Product> {
  const code = readCurrency(input.currency);
  const currency = await currencies.currency(code);
  if (!currency) throw badInput('currency', `There is no currency ${code} in ISO 4217`);
  // A product that fails to be written must not stay in the caller's entity manager.
  const em = tenantEm.fork();
  const product = em.create(Product, {
    sku: readSku(input.sku),
    name: readName(input.name),
    price: readPrice(input.price, currency.digits),
    currency: code,
    stock: readStock(input.stock),
  });
  try {
    await em.flush();
  } catch (cause) {
    if (!(cause instanceof UniqueConstraintViolationException)) throw cause;
    throw new AppError('CONFLICT', `A product with the SKU ${product.sku} already exists`, {
      cause,
      details: { field: 'sku' },
    });
  }
  return product;
}

function readSku(sku: string): string {
  if (/^\S{1,64}$/u.test(sku) && isPlainLine(sku)) return sku;
  throw badInput('sku', 'The SKU must have 1 to 64 characters and no spaces');
}

function readName(text: string): string {
  const name = text.trim();
  if (name !== '' && name.length <= 200 && isPlainLine(name)) return name;
  throw badInput('name', 'The name must have 1 to 200 characters, all on one line');
}

function readStock(stock: number): number {
  if (Number.isInteger(stock) && stock >= 0) return stock;
  throw badInput('stock', 'The stock must be a whole number, 0 or more');
}
