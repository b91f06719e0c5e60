import type pg from 'pg';
import type { Isolation } from '../catalog/entities/tenant.entity.ts';
import type { Placement } from '../routing/placement.ts';

/** How much a tenant has. */
export interface PlaceSize {
  /** The size of its database, or of the tables and indexes of its schema. */
  readonly bytes: number;
  readonly tables: number;
  /** PostgreSQL's estimate. */
  readonly rows: number;
}

// Until autovacuum has counted a table, and after a crash, one of the two numbers is missing.
const rowsSql = `coalesce(sum(CASE WHEN pg_stat_get_live_tuples(c.oid) > 0 THEN pg_stat_get_live_tuples(c.oid)
  ELSE greatest(c.reltuples, 0) END), 0)::float8 AS rows`;
const fromTables = `FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm')`;
const ofTenant = `n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'`;

/** SQL for the estimated number of rows in a tenant's own database. */
export const estimatedRowsSql = `SELECT ${rowsSql} ${fromTables} AND ${ofTenant}`;

/**
 * Measures schemas of one database from PostgreSQL's catalogs, with one statement that reads no table.
 * @param client a connection of the owner's
 */
export async function measureSchemas(
  client: pg.Client,
  schemas: readonly string[],
): Promise<ReadonlyMap<string, PlaceSize>> {
  const { rows } = await client.query<PlaceSize & { schema: string }>(
    `SELECT n.nspname AS schema, count(*)::int AS tables, ${rowsSql},
       coalesce(sum(pg_total_relation_size(c.oid)), 0)::float8 AS bytes
     ${fromTables} AND n.nspname = ANY ($1) GROUP BY n.nspname`,
    [schemas],
  );
  return new Map(rows.map(({ schema, ...size }) => [schema, size]));
}

/**
 * Measures a tenant from PostgreSQL's catalogs. It reads no table.
 * @param client a connection of the owner's to its database
 */
export async function measurePlace(
  client: pg.Client,
  { isolation, schema }: Placement & { readonly isolation: Isolation },
): Promise<PlaceSize> {
  if (isolation === 'SCHEMA') {
    return (await measureSchemas(client, [schema])).get(schema) ?? { bytes: 0, tables: 0, rows: 0 };
  }
  const { rows } = await client.query<PlaceSize>(
    `SELECT count(*)::int AS tables, ${rowsSql}, pg_database_size(current_database())::float8 AS bytes
     ${fromTables} AND ${ofTenant}`,
  );
  return rows[0] ?? { bytes: 0, tables: 0, rows: 0 };
}
