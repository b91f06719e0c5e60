import pg from 'pg';
import type { KnownTenant } from '../../src/catalog/tenant-directory.ts';
import { derivePasswords } from '../../src/postgres/admin/roles.ts';
import type { TestPostgres } from './start-postgres.ts';

/** Connects directly, like somebody who knows the password of a tenant's role; by default the derived one. */
export async function connectAsTenant(
  postgres: TestPostgres,
  { key, database }: Pick<KnownTenant, 'key' | 'database'>,
  { password, to = database }: { readonly password?: string; readonly to?: string } = {},
): Promise<pg.Client> {
  const role = `tenant_${key}`;
  const derived = derivePasswords(postgres.env.ROLE_SECRET)(role);
  const client = new pg.Client({ connectionString: postgres.url(to, role, password ?? derived) });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** Sends statements on one connection; gives the rows of the last, or what PostgreSQL says against them. */
export async function attempt(client: pg.Client, ...statements: string[]): Promise<unknown> {
  try {
    let rows: unknown;
    for (const statement of statements) ({ rows } = await client.query(statement));
    return rows;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
