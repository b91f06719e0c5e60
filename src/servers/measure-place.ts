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
const tablesSql = `
  SELECT count(*)::int AS tables, coalesce(sum(pg_total_relation_size(oid)), 0)::float8 AS bytes,
    coalesce(sum(CASE WHEN pg_stat_get_live_tuples(oid) > 0 THEN pg_stat_get_live_tuples(oid) ELSE greatest(reltuples, 0) END), 0)::float8
      AS rows
  FROM pg_class WHERE relkind IN ('r', 'm')`;

/**
 * Measures a tenant from PostgreSQL's catalogs. It reads no table.
 * @param client a connection of the owner's to its database
 */
export async function measurePlace(
  client: pg.Client,
  { isolation, schema }: Placement & { readonly isolation: Isolation },
): Promise<PlaceSize> {
  if (isolation === 'SCHEMA') {
    const { rows } = await client.query<PlaceSize>(
      `${tablesSql} AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)`,
      [schema],
    );
    return rows[0] ?? { bytes: 0, tables: 0, rows: 0 };
  }
  const { rows } = await client.query<PlaceSize>(
    `SELECT tables, rows, pg_database_size(current_database())::float8 AS bytes FROM (
       ${tablesSql} AND relnamespace NOT IN (
         SELECT oid FROM pg_namespace WHERE nspname LIKE 'pg\\_%' OR nspname = 'information_schema')) t`,
  );
  return rows[0] ?? { bytes: 0, tables: 0, rows: 0 };
}
