import path from 'node:path';
import { SignJWT } from 'jose';
import pLimit from 'p-limit';
import { quoteIdentifier } from '../src/postgres/sql/quote.ts';
import { tenantRole } from '../src/routing/placement.ts';
import type { BenchInstallation } from './installation.ts';

/** The product of the peers: the shop, because the fixture has no orders. */
export const shop = {
  TENANT_MIGRATIONS_DIR: path.join(import.meta.dirname, '../migrations/tenant'),
  COMMON_MIGRATIONS_DIR: path.join(import.meta.dirname, '../migrations/common'),
};

/** A tenant with products and orders. */
export interface PeerTenant {
  readonly token: string;
  readonly databaseUrl: string;
  readonly schema: string;
  readonly role: string;
  /** The id of one of its products. */
  readonly product: string;
}

/** Signs a token of an hour with the key of the installation. */
export function signToken({ env }: BenchInstallation, claims: Record<string, unknown>): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuedAt()
    .setExpirationTime('6h')
    .sign(new TextEncoder().encode(env.JWT_SECRET));
}

/** Sends a query to a server and returns its data. @throws {Error} with the response if it has errors */
export async function query<Data>(url: string, token: string, text: string): Promise<Data> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query: text }),
  });
  // The callers know what their queries ask for.
  const { data, errors } = (await response.json()) as { data: Data; errors?: unknown };
  if (errors) throw new Error(`${url} answered: ${JSON.stringify(errors)}`);
  return data;
}

/** Creates tenants through the API of a server, each with 50 products and 20 orders of 5 lines. */
export async function seedPeers(place: BenchInstallation, url: string, count: number): Promise<PeerTenant[]> {
  const admin = await signToken(place, { platform_admin: true });
  await pLimit(4).map(Array.from({ length: count }).keys(), (index) =>
    query(url, admin, `mutation { createTenant(input: { slug: "peer-${index}", name: "Bench" }) { id } }`),
  );
  const catalog = await place.connect(place.env.AUTH_DATABASE);
  const { rows } = await catalog.query<{ slug: string; key: string; database: string; schema: string }>(
    'SELECT slug, key, database, schema FROM tenants',
  );
  return pLimit(4).map(rows, async ({ slug, key, database, schema }) => ({
    token: await signToken(place, { tenant: slug, role: 'OWNER' }),
    databaseUrl: place.urlOf(database),
    schema,
    role: tenantRole(key),
    product: await fill(place, database, schema),
  }));
}

/** Inserts the rows of a tenant. Returns the id of a product. */
async function fill(place: BenchInstallation, database: string, schema: string): Promise<string> {
  const client = await place.connect(database);
  await client.query(`SET search_path = ${quoteIdentifier(schema)}`);
  await client.query(`INSERT INTO products (sku, name, price, currency, stock)
    SELECT 'sku-' || n, 'Product ' || n, n + 0.25, 'EUR', 10 FROM generate_series(1, 50) n`);
  await client.query(`INSERT INTO orders (placed_at, total, currency)
    SELECT now() - n * interval '1 minute', n, 'EUR' FROM generate_series(1, 20) n`);
  await client.query(`INSERT INTO order_lines (order_id, position, product_id, quantity, unit_price)
    SELECT o.id, p.n, p.id, 1, 1 FROM orders o,
      (SELECT id, row_number() OVER (ORDER BY sku) AS n FROM products ORDER BY sku LIMIT 5) p`);
  const { rows } = await client.query<{ id: string }>('SELECT id FROM products LIMIT 1');
  await client.end();
  return rows[0]?.id ?? '';
}
