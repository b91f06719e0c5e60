import { createUser } from '../src/auth/users.ts';
import type { Services } from '../src/installation/services.ts';
import { quoteIdentifier } from '../src/postgres/sql/quote.ts';
import type { BenchInstallation } from './installation.ts';
import { markOf } from './soak-record.ts';
import { createTenants } from './tenants.ts';

/** The number of products that each tenant starts with. */
export const SEEDED = 100;
/** The password of all users. */
export const password = 'correct horse battery staple';

/** Creates tenants of both isolations, each with an owner and with products that contain its mark. Returns their slugs. */
export async function seedTenants(services: Services, count: number): Promise<string[]> {
  const slugs = [
    ...(await createTenants(services, count / 2, { isolation: 'DATABASE' })),
    ...(await createTenants(services, count / 2, { isolation: 'SCHEMA' })),
  ];
  for (const slug of slugs) {
    const tenant = await services.directory.byReference(slug);
    if (!tenant) throw new Error(`The tenant ${slug} is not found`);
    await services.tenants.pool(tenant).use((client) =>
      client.query(
        `INSERT INTO products (sku, name, price, currency, stock)
         SELECT $1 || n, $1 || n, n + 0.25, 'EUR', 10 FROM generate_series(1, $2::int) n`,
        [markOf(slug), SEEDED],
      ),
    );
  }
  const { id } = await createUser(services.accounts, { email: 'first@example.com', name: 'First', password });
  await services.catalog.use(async (client) => {
    // Hashing the same password for every user would take too long.
    await client.query(
      `INSERT INTO users (email, name, password_hash)
       SELECT t.slug || '@example.com', 'mark:' || t.slug || ';', u.password_hash FROM tenants t, users u WHERE u.id = $1`,
      [id],
    );
    await client.query(
      `INSERT INTO memberships (user_id, tenant_id, role)
       SELECT u.id, t.id, 'OWNER' FROM tenants t JOIN users u ON u.email = t.slug || '@example.com'`,
    );
  });
  return slugs;
}

/** The rows in a tenant's table at the end. */
export interface StoredRows {
  readonly own: number;
  /** Rows with the mark of another tenant or none. */
  readonly foreign: number;
}

/** Counts the products of each tenant, by slug, directly in PostgreSQL. */
export async function countRows(place: BenchInstallation): Promise<Map<string, StoredRows>> {
  const catalog = await place.connect(place.env.AUTH_DATABASE);
  const { rows: tenants } = await catalog.query<{ slug: string; database: string; schema: string }>(
    'SELECT slug, database, schema FROM tenants',
  );
  const counts = new Map<string, StoredRows>();
  for (const { slug, database, schema } of tenants) {
    const client = await place.connect(database);
    const { rows } = await client.query<StoredRows>(
      `SELECT count(*) FILTER (WHERE starts_with(name, $1))::int AS own,
         count(*) FILTER (WHERE NOT starts_with(name, $1))::int AS foreign FROM ${quoteIdentifier(schema)}.products`,
      [markOf(slug)],
    );
    await client.end();
    counts.set(slug, rows[0] ?? { own: 0, foreign: 0 });
  }
  return counts;
}
