import { examples } from './examples.ts';
import { OrderLineSchema, OrderSchema } from './order.entity.ts';
import { ProductSchema } from './product.entity.ts';

/** The example shop. */
export const shop = {
  entities: [ProductSchema, OrderSchema, OrderLineSchema],
  schema: () => import('./schema.ts'),
  examples,
};
