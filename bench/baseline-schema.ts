import { defineEntity, p } from '@mikro-orm/core';
import type { EntityManager } from '@mikro-orm/postgresql';
import SchemaBuilder from '@pothos/core';
import RelayPlugin from '@pothos/plugin-relay';
import ScopeAuthPlugin from '@pothos/plugin-scope-auth';
import { entityConnection } from '../src/orm/pagination.ts';

/** The table `products` in the only schema of this server. */
export const ProductSchema = defineEntity({
  name: 'Product',
  tableName: 'products',
  properties: {
    id: p.uuid().primary(),
    sku: p.text(),
    name: p.text(),
    price: p.decimal().precision(14).scale(4),
    currency: p.text(),
    stock: p.integer(),
    createdAt: p.datetime(3),
  },
});

class Product extends ProductSchema.class {}

ProductSchema.setClass(Product);

const builder = new SchemaBuilder<{
  Context: { readonly em: EntityManager; readonly tenant: string };
  DefaultFieldNullability: false;
  DefaultNodeNullability: false;
  DefaultEdgesNullability: { list: false; items: false };
  AuthScopes: { tenantMember: boolean };
}>({
  plugins: [ScopeAuthPlugin, RelayPlugin],
  defaultFieldNullability: false,
  relay: {
    cursorType: 'String',
    nodesOnConnection: true,
    edgesFieldOptions: { nullable: { list: false, items: false } },
    nodeFieldOptions: { nullable: false },
  },
  scopeAuth: { authScopes: ({ tenant }) => ({ tenantMember: tenant !== '' }) },
});

builder.objectType(Product, {
  name: 'Product',
  fields: (t) => ({
    id: t.exposeID('id'),
    sku: t.exposeString('sku'),
    name: t.exposeString('name'),
    price: t.exposeString('price'),
    currency: t.exposeString('currency'),
    stock: t.exposeInt('stock'),
  }),
});

builder.queryType({
  fields: (t) => ({
    products: t.connection({
      type: Product,
      authScopes: { tenantMember: true },
      resolve: (_root, args, { em }) =>
        entityConnection(em, Product, args, { orderBy: { createdAt: 'asc', id: 'asc' } }),
    }),
  }),
});

/** The fixture's products for a single database. */
export const baselineSchema = builder.toSchema();
