import type pg from 'pg';

/**
 * Finds the indexes that PostgreSQL marks as INVALID: left by a concurrent build or drop that failed or was
 * interrupted. No query uses them, but a unique one still refuses rows. Ignored are indexes being built at this moment,
 * and those of partitioned tables, which are INVALID until all partitions have theirs.
 * @param client the owner's connection
 * @param schema if omitted, the whole database
 * @returns their names, schema-qualified and quoted
 * @see https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
 */
export async function findInvalidIndexes(client: pg.Client, schema?: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT format('%I.%I', nspname, relname) AS name
     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE NOT indisvalid AND ($1::text IS NULL OR nspname = $1) AND relkind = 'i' AND NOT relispartition
       AND NOT EXISTS (
         SELECT FROM pg_stat_progress_create_index p WHERE p.datname = current_database() AND p.index_relid = i.indexrelid)
     ORDER BY nspname, relname`,
    [schema ?? null],
  );
  return rows.map(({ name }) => name);
}

/**
 * Drops the indexes that {@link findInvalidIndexes} finds in a schema.
 * @param client the owner's connection, outside a transaction
 */
export async function dropInvalidIndexes(client: pg.Client, schema: string): Promise<void> {
  for (const name of await findInvalidIndexes(client, schema)) {
    await client.query(`DROP INDEX CONCURRENTLY IF EXISTS ${name}`);
  }
}
