import { randomUUID } from 'node:crypto';
import { defineEntity, p } from '@mikro-orm/core';
import { Product } from './product.entity.ts';

/** The table `orders` in each tenant's schema. */
export const OrderSchema = defineEntity({
  name: 'Order',
  tableName: 'orders',
  schema: '*',
  indexes: [{ name: 'orders_placed_at_idx', properties: ['placedAt', 'id'] }],
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => randomUUID())
      .defaultRaw('gen_random_uuid()'),
    placedAt: p.datetime(3).defaultRaw('now()'),
    /** The sum of its lines. */
    total: p.decimal().precision(24).scale(4).check('total >= 0'),
    /** The same for all its lines. */
    currency: p.text().check("currency ~ '^[A-Z]{3}$'"),
    lines: () => p.oneToMany(OrderLine).mappedBy('order'),
  },
});

/** A customer's order. */
export class Order extends OrderSchema.class {}

OrderSchema.setClass(Order);

/** The table `order_lines` in each tenant's schema. */
export const OrderLineSchema = defineEntity({
  name: 'OrderLine',
  tableName: 'order_lines',
  schema: '*',
  properties: {
    order: () => p.manyToOne(Order).primary().ref().deleteRule('cascade').updateRule('no action'),
    /** Counts from 1, in the order of the client's input. */
    position: p.integer().primary(),
    product: () => p.manyToOne(Product).ref().index('order_lines_product_id_idx'),
    quantity: p.integer().check('quantity > 0'),
    /** The product's price at that time. */
    unitPrice: p.decimal().precision(14).scale(4).check('unit_price >= 0'),
  },
});

/** One product of an order. */
export class OrderLine extends OrderLineSchema.class {}

OrderLineSchema.setClass(OrderLine);
