import type pg from 'pg';
import { quoteIdentifier, quoteLiteral, quoteQualified } from '../../postgres/sql/quote.ts';
import { loadStatementParser } from '../../postgres/sql/statements.ts';
import type { BackfillStatement } from '../files/backfill.ts';

/** The values of a primary key as text, in the order of its columns. */
export type KeyValues = readonly string[];

/** A table whose rows are changed in the order of its primary key. */
export interface KeyedTable {
  readonly schema: string;
  readonly name: string;
  readonly key: readonly KeyColumn[];
  /** PostgreSQL's estimate of the number of rows; negative if it has none. */
  readonly estimate: number;
}

interface KeyColumn {
  readonly name: string;
  /** Its type, as SQL. */
  readonly type: string;
}

/** The keys of one batch. */
export interface KeyRange {
  /** The last key of the batch before; undefined for the first batch. */
  readonly after: KeyValues | undefined;
  readonly last: KeyValues;
  readonly rows: number;
}

/**
 * Reads the primary key of a backfill's table from the catalog.
 * @param client a session whose search path finds the types of the tenant
 * @throws {Error} if there is no such table, or it has no primary key, or the backfill changes the key
 */
export async function readKeyedTable(
  client: pg.Client,
  schema: string,
  backfill: BackfillStatement,
): Promise<KeyedTable> {
  const name = backfill.table;
  const { rows } = await client.query<Pick<KeyedTable, 'estimate'> & { key: KeyColumn[] | null }>(
    `SELECT c.reltuples::float8 AS estimate, (
       SELECT json_agg(json_build_object('name', attname, 'type', format_type(atttypid, atttypmod)) ORDER BY position)
       FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
         JOIN pg_attribute a USING (attnum)
       WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid AND position <= i.indnkeyatts) AS key
     FROM pg_class c WHERE relnamespace = to_regnamespace($1) AND relname = $2 AND relkind IN ('r', 'p')`,
    [quoteIdentifier(schema), name],
  );
  const [table] = rows;
  if (!table) throw new Error(`there is no table ${name}`);
  if (!table.key) throw new Error(`the table ${name} has no primary key, in whose order its rows could be changed`);
  const changed = await changedColumns(backfill);
  const moved = table.key.find((column) => changed.includes(column.name));
  if (moved) {
    throw new Error(
      `it changes ${moved.name}, which is part of the primary key of ${name}, in whose order the rows are changed. Write a Migration with this statement instead`,
    );
  }
  return { schema, name, key: table.key, estimate: table.estimate };
}

/** The columns of its table that a backfill sets. A row whose key it set might be changed again by the next batch. */
async function changedColumns({ table, batch }: BackfillStatement): Promise<readonly string[]> {
  const parse = await loadStatementParser();
  return parse(batch('true')).flatMap(({ tree }) => {
    if (!tree || !('UpdateStmt' in tree) || tree.UpdateStmt.relation?.relname !== table) return [];
    const targets = tree.UpdateStmt.targetList ?? [];
    return targets.flatMap((node) => ('ResTarget' in node ? (node.ResTarget.name ?? []) : []));
  });
}

/** Finds the keys of the next batch; undefined if no rows follow. */
export async function nextKeys(
  client: pg.Client,
  table: KeyedTable,
  after: KeyValues | undefined,
  limit: number,
): Promise<KeyRange | undefined> {
  const columns = table.key.map(({ name }) => quoteIdentifier(name));
  const where = after ? `WHERE ${comparison(table, '>', after)}` : '';
  const { rows } = await client.query<{ rows: number; last: string[] }>(
    `WITH keys AS (SELECT ${columns.join(', ')} FROM ${nameSql(table)} ${where} ORDER BY ${columns.join(', ')} LIMIT ${limit})
     SELECT (SELECT count(*)::int FROM keys) AS rows, ARRAY[${columns.map((column) => `${column}::text`).join(', ')}] AS last
     FROM keys ORDER BY ${columns.map((column) => `${column} DESC`).join(', ')} LIMIT 1`,
  );
  const [found] = rows;
  return found && { after, last: found.last, rows: found.rows };
}

/** The SQL condition that holds for the rows with these keys. */
export function keyCondition(table: KeyedTable, { after, last }: KeyRange): string {
  const upper = comparison(table, '<=', last);
  return after ? `(${comparison(table, '>', after)} AND ${upper})` : `(${upper})`;
}

/** Names the rows with these keys, in a sentence. */
export function describeKeys({ name, key }: KeyedTable, { after, last, rows }: KeyRange): string {
  const columns = key.map((column) => column.name).join(', ');
  const from = after ? `after ${after.join(', ')} and ` : '';
  return `the ${rows} rows of ${name} whose ${columns} is ${from}up to ${last.join(', ')}`;
}

/** The number of rows up to which {@link countRows} counts them, instead of believing PostgreSQL's estimate. */
const COUNTED = 100_000;

/** Returns the number of rows: exact for small tables, otherwise PostgreSQL's estimate. */
export async function countRows(client: pg.Client, table: KeyedTable): Promise<number> {
  if (table.estimate > 2 * COUNTED) return table.estimate;
  const { rows } = await client.query<{ count: number }>(
    `SELECT count(*)::int FROM (SELECT FROM ${nameSql(table)} LIMIT ${COUNTED}) t`,
  );
  const count = rows[0]?.count ?? 0;
  return count < COUNTED ? count : Math.max(count, table.estimate);
}

function nameSql({ schema, name }: KeyedTable): string {
  return quoteQualified(schema, name);
}

/** PostgreSQL compares rows column by column, as its index does. */
function comparison({ name, key }: KeyedTable, operator: '>' | '<=', values: KeyValues): string {
  const columns = key.map((column) => `${quoteIdentifier(name)}.${quoteIdentifier(column.name)}`);
  const literals = key.map(({ type }, index) => `CAST(${quoteLiteral(values[index] ?? '')} AS ${type})`);
  const [left, right] = [columns, literals].map((parts) => (parts.length === 1 ? parts[0] : `(${parts.join(', ')})`));
  return `${left} ${operator} ${right}`;
}
