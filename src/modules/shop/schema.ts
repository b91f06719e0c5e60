import {
  builder,
  createField,
  deleteField,
  entityType,
  explainConstraint,
  listField,
  oneField,
  readEntity,
  updateField,
} from '../../platform.ts';
import { canonicalMoney } from './money.ts';
import { Order, OrderLine } from './order.entity.ts';
import { MAX_LINES, placeOrder } from './place-order.ts';
import { Product } from './product.entity.ts';
import { checkPrice, productInput } from './product-input.ts';

const moneyForm = 'a decimal with 2 to 4 digits after the point in every currency, such as 12.50, or 1200.00 for yen';

const ProductType = entityType(Product, {
  description: 'A product that the tenant sells.',
  fields: {
    id: { filter: true },
    sku: { filter: true, order: true },
    name: { filter: true, order: true },
    price: { description: `The price of one: ${moneyForm}.`, show: canonicalMoney, filter: true, order: true },
    currency: { description: 'The ISO 4217 code, such as EUR.', filter: true },
    stock: { description: 'How many can be ordered now.', filter: true, order: true },
    createdAt: { filter: true, order: true },
  },
});

entityType(OrderLine, {
  description: 'One product of an order.',
  fields: {
    product: { filter: true },
    quantity: { filter: true },
    unitPrice: { description: `The price of one at the time of the order: ${moneyForm}.`, show: canonicalMoney },
  },
});

const OrderType = entityType(Order, {
  description: "A customer's order.",
  fields: {
    id: { filter: true },
    placedAt: { filter: true, order: true },
    total: { description: `The sum of its lines: ${moneyForm}.`, show: canonicalMoney, filter: true, order: true },
    currency: { filter: true },
    lines: { description: 'One line for each product.', orderBy: { position: 'ASC' }, maxItems: MAX_LINES },
  },
});

const OrderLineInput = builder.inputType('OrderLineInput', {
  fields: (t) => ({
    product: t.id({ required: true, description: "The product's id. Lines with the same product are merged." }),
    quantity: t.int({ required: true, description: 'From 1 to 1,000,000.' }),
  }),
});

const PlaceOrderInput = builder.inputType('PlaceOrderInput', {
  fields: (t) => ({
    lines: t.field({ type: [OrderLineInput], required: true, description: 'From 1 to 100.' }),
  }),
});

const members = { authScopes: { tenantMember: true } };

builder.queryFields((t) => ({
  product: oneField(t, ProductType, members),
  products: listField(t, ProductType, {
    ...members,
    description: "The tenant's products, oldest first.",
    orderBy: { createdAt: 'ASC' },
  }),
  order: oneField(t, OrderType, members),
  orders: listField(t, OrderType, {
    ...members,
    description: "The tenant's orders, newest first.",
    orderBy: { placedAt: 'DESC' },
  }),
}));

/** How products are written. */
const productWrites = { authScopes: { permission: 'products:write' }, input: productInput, prepare: checkPrice };

builder.mutationFields((t) => ({
  createProduct: createField(t, ProductType, productWrites),
  updateProduct: updateField(t, ProductType, productWrites),
  deleteProduct: deleteField(t, ProductType, {
    description: 'Deletes a product that has never been ordered. Returns whether there was one.',
    authScopes: { permission: 'products:write' },
  }),
  placeOrder: t.field({
    type: OrderType.ref,
    description: 'Orders products and takes them from the stock. Does nothing if any of them is missing.',
    authScopes: { permission: 'orders:write' },
    args: { input: t.arg({ type: PlaceOrderInput, required: true }) },
    resolve: async (_root, { input }, context, info) =>
      readEntity(OrderType, context, info, await placeOrder(context.tenant.em, input.lines)),
  }),
}));

explainConstraint('products_sku_key', 'A product with this SKU already exists');
explainConstraint('order_lines_product_id_fkey', 'The product is in an order', 'id');
