import { OrderLineSchema, OrderSchema } from './order.entity.ts';
import { ProductSchema } from './product.entity.ts';
import './schema.ts';

/** The tables of the example shop. */
export const shopEntities = [ProductSchema, OrderSchema, OrderLineSchema];
