import type { TestPostgres } from './start-postgres.ts';

/** What PostgreSQL has of tenants, whatever the catalog says. */
export interface Places {
  readonly databases: string[];
  readonly schemas: string[];
  readonly roles: string[];
}

/** Looks for tenants' databases, schemas and roles on a whole server. */
export async function findPlaces(postgres: TestPostgres, shared = 'shared'): Promise<Places> {
  const names = async (sql: string, database?: string) =>
    (await postgres.rows<{ name: string }>(sql, [], database)).map(({ name }) => name);
  return {
    databases: await names(`SELECT datname AS name FROM pg_database WHERE datname ~ '^db_[0-9a-z]{10}$' ORDER BY 1`),
    schemas: await names(`SELECT nspname AS name FROM pg_namespace WHERE nspname LIKE 'tenant\\_%' ORDER BY 1`, shared),
    roles: await names(`SELECT rolname AS name FROM pg_roles WHERE rolname LIKE 'tenant\\_%' ORDER BY 1`),
  };
}

/** What PostgreSQL should have of these tenants, and of no others. */
export function placesOf(
  tenants: readonly { isolation: string; key: string; database: string; schema: string }[],
): Places {
  const sorted = (names: string[]) => names.sort();
  return {
    databases: sorted(tenants.filter(({ isolation }) => isolation === 'DATABASE').map(({ database }) => database)),
    schemas: sorted(tenants.filter(({ isolation }) => isolation === 'SCHEMA').map(({ schema }) => schema)),
    roles: sorted(tenants.map(({ key }) => `tenant_${key}`)),
  };
}
