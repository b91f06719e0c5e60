import type { EntitySchema } from '@mikro-orm/postgresql';
import { OrderLineSchema, OrderSchema } from './shop/order.entity.ts';
import { ProductSchema } from './shop/product.entity.ts';
import './shop/schema.ts';

/**
 * The entities that every tenant has. This file is the only place where the platform meets what is built on it: to replace
 * the example shop, list your entities here instead (each with `schema: '*'`), import your GraphQL files, which add to
 * `builder`, and put the migrations of your tables into `migrations/tenant`. Then delete `shop` and its migration, or, if
 * tenants have it already, drop its tables in a new one.
 */
export const moduleEntities: readonly EntitySchema[] = [ProductSchema, OrderSchema, OrderLineSchema];
