import type pg from 'pg';
import { readSequences, type SequenceState } from '../copying/sequences.ts';
import { readStoredTables, type StoredTable } from '../copying/tables.ts';
import { historyTable } from '../migrator/files/history.ts';
import { quoteIdentifier, quoteLiteral } from '../postgres/sql/quote.ts';
import type { ManifestTable } from './format/manifest.ts';

/** The sequence of the history's ids. */
const historySequence = `${historyTable}_id_seq`;

/** Reads the tables of a tenant that store rows, without the history of its migrations: a new place has its own. */
export async function readOwnTables(client: pg.Client, schema: string): Promise<readonly StoredTable[]> {
  return (await readStoredTables(client, schema)).filter(({ name }) => name !== historyTable);
}

/** Reads the sequences of a tenant, without that of the history. */
export async function readOwnSequences(client: pg.Client, schema: string): Promise<readonly SequenceState[]> {
  return (await readSequences(client, schema)).filter(({ name }) => name !== historySequence);
}

/**
 * Reads the columns that tables store and PostgreSQL does not compute, in their order.
 * @param client with a search path in which types have the same names everywhere
 * @param tables the names of some tables of the schema
 */
export async function readColumns(
  client: pg.Client,
  schema: string,
  tables: readonly string[],
): Promise<ReadonlyMap<string, ManifestTable['columns']>> {
  const { rows } = await client.query<{ table: string; columns: ManifestTable['columns'] }>(
    `SELECT relname AS table,
       json_agg(json_build_object('name', attname, 'type', format_type(atttypid, atttypmod)) ORDER BY attnum) AS columns
     FROM pg_class c JOIN pg_attribute ON attrelid = c.oid
     WHERE relnamespace = ${quoteLiteral(quoteIdentifier(schema))}::regnamespace AND relname = ANY ($1::text[])
       AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
     GROUP BY relname`,
    [tables],
  );
  return new Map(rows.map(({ table, columns }) => [table, columns]));
}
