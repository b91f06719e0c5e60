import { builder, entityConnection } from '../../platform.ts';
import { createProduct } from './create-product.ts';
import { canonicalMoney } from './money.ts';
import { Order } from './order.entity.ts';
import { type Line, linesOf, productsOf } from './order-lines.ts';
import { MAX_LINES, placeOrder } from './place-order.ts';
import { Product } from './product.entity.ts';

const moneyForm = 'a decimal with 2 to 4 digits after the point in every currency, such as 12.50, or 1200.00 for yen';

builder.objectType(Product, {
  name: 'Product',
  description: 'A product that the tenant sells.',
  fields: (t) => ({
    id: t.exposeID('id'),
    sku: t.exposeString('sku'),
    name: t.exposeString('name'),
    price: t.string({ description: `The price of one: ${moneyForm}.`, resolve: ({ price }) => canonicalMoney(price) }),
    currency: t.exposeString('currency', { description: 'The ISO 4217 code, such as EUR.' }),
    stock: t.exposeInt('stock', { description: 'How many can be ordered now.' }),
  }),
});

const OrderLineRef = builder.objectRef<Line>('OrderLine').implement({
  description: 'One product of an order.',
  fields: (t) => ({
    product: t.loadable({
      type: Product,
      loaderOptions: { maxBatchSize: 1000 },
      load: (lines: Line[], { tenant }) => productsOf(tenant.em, lines),
      resolve: (line) => line,
    }),
    quantity: t.exposeInt('quantity'),
    unitPrice: t.string({
      description: `The price of one at the time of the order: ${moneyForm}.`,
      resolve: ({ unitPrice }) => canonicalMoney(unitPrice),
    }),
  }),
});

builder.objectType(Order, {
  name: 'Order',
  description: "A customer's order.",
  fields: (t) => ({
    id: t.exposeID('id'),
    placedAt: t.expose('placedAt', { type: 'DateTime' }),
    total: t.string({
      description: `The sum of its lines: ${moneyForm}.`,
      resolve: ({ total }) => canonicalMoney(total),
    }),
    currency: t.exposeString('currency'),
    lines: t.loadableList({
      type: OrderLineRef,
      description: 'One line for each product.',
      maxItems: MAX_LINES,
      args: { first: t.arg.int({ defaultValue: MAX_LINES, description: `From 1 to ${MAX_LINES}.` }) },
      // Fields with the same path have the same arguments.
      byPath: true,
      load: (orders: Order[], { tenant }, { first }) => linesOf(tenant.em, orders, first ?? MAX_LINES),
      resolve: (order) => order,
    }),
  }),
});

const CreateProductInput = builder.inputType('CreateProductInput', {
  fields: (t) => ({
    sku: t.string({ required: true, maxLength: 64, description: 'Unique in the tenant.' }),
    name: t.string({ required: true, maxLength: 200 }),
    price: t.string({
      required: true,
      maxLength: 20,
      description: 'A decimal with up to 10 digits before the point, and up to as many after it as the currency has.',
    }),
    currency: t.string({ required: true, maxLength: 10, description: 'The ISO 4217 code, such as EUR.' }),
    stock: t.int({ defaultValue: 0 }),
  }),
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

builder.queryFields((t) => ({
  products: t.connection(
    {
      type: Product,
      description: "The tenant's products, oldest first.",
      authScopes: { tenantMember: true },
      resolve: (_root, args, { tenant }) =>
        entityConnection(tenant.em, Product, args, { orderBy: { createdAt: 'asc', id: 'asc' } }),
    },
    { name: 'ProductConnection' },
    { name: 'ProductEdge' },
  ),
  orders: t.connection(
    {
      type: Order,
      description: "The tenant's orders, newest first.",
      authScopes: { tenantMember: true },
      resolve: (_root, args, { tenant }) =>
        entityConnection(tenant.em, Order, args, { orderBy: { placedAt: 'desc', id: 'desc' } }),
    },
    { name: 'OrderConnection' },
    { name: 'OrderEdge' },
  ),
}));

builder.mutationFields((t) => ({
  createProduct: t.field({
    type: Product,
    authScopes: { permission: 'products:write' },
    args: { input: t.arg({ type: CreateProductInput, required: true }) },
    resolve: (_root, { input }, { tenant, constants }) =>
      createProduct(tenant.em, { ...input, stock: input.stock ?? 0 }, constants),
  }),
  placeOrder: t.field({
    type: Order,
    description: 'Orders products and takes them from the stock. Does nothing if any of them is missing.',
    authScopes: { permission: 'orders:write' },
    args: { input: t.arg({ type: PlaceOrderInput, required: true }) },
    resolve: (_root, { input }, { tenant }) => placeOrder(tenant.em, input.lines),
  }),
}));
