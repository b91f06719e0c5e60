import { z } from 'zod';
import { badInput, type Context, type InputFields, type InputValues, isPlainLine } from '../../platform.ts';
import { readCurrency, readPrice } from './money.ts';
import type { Product } from './product.entity.ts';

/** What clients write of a product. */
export const productInput: InputFields<Product> = {
  sku: {
    description: 'Unique in the tenant.',
    maxLength: 64,
    schema: z
      .string()
      .refine(
        (sku) => /^\S{1,64}$/u.test(sku) && isPlainLine(sku),
        'The SKU must have 1 to 64 characters and no spaces',
      ),
  },
  name: {
    maxLength: 200,
    schema: z
      .string()
      .trim()
      .refine(
        (name) => name !== '' && name.length <= 200 && isPlainLine(name),
        'The name must have 1 to 200 characters, all on one line',
      ),
  },
  price: {
    description: 'A decimal with up to 10 digits before the point, and up to as many after it as the currency has.',
    type: 'String',
    maxLength: 20,
  },
  currency: {
    description: 'The ISO 4217 code, such as EUR.',
    maxLength: 10,
  },
  stock: {
    defaultValue: 0,
    schema: z.number().int().min(0, 'The stock must be a whole number, 0 or more'),
  },
};

/**
 * Checks a product's price against its currency.
 * @throws {AppError} BAD_USER_INPUT
 */
export async function checkPrice(
  values: InputValues<Product>,
  { constants }: Context,
  stored: Product | undefined,
): Promise<InputValues<Product>> {
  if (values.price === undefined && values.currency === undefined) return values;
  const { price = '', currency: code = '' } = { ...stored, ...values };
  const currency = await constants.currency(readCurrency(code));
  if (!currency) throw badInput('currency', `There is no currency ${code} in ISO 4217`);
  return { ...values, price: readPrice(price, currency.digits) };
}
