import { randomUUID } from 'node:crypto';
import { defineEntity, p } from '@mikro-orm/core';

/** The table `products` in each tenant's schema. */
export const ProductSchema = defineEntity({
  name: 'Product',
  tableName: 'products',
  schema: '*',
  indexes: [{ name: 'products_created_at_idx', properties: ['createdAt', 'id'] }],
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => randomUUID())
      .defaultRaw('gen_random_uuid()'),
    sku: p.text().unique(),
    name: p.text(),
    /** A decimal as a string, so that no digit is lost. */
    price: p.decimal().precision(14).scale(4).check('price >= 0'),
    currency: p.text().check("currency ~ '^[A-Z]{3}$'"),
    stock: p.integer().check('stock >= 0'),
    createdAt: p.datetime(3).defaultRaw('now()'),
  },
});

/** Something that a tenant sells. */
export class Product extends ProductSchema.class {}

ProductSchema.setClass(Product);
