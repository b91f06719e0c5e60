import type pg from 'pg';
import type { TableWork } from '../../migrator/lint/risk.ts';
import { quoteIdentifier } from '../../postgres/sql/quote.ts';
import type { ShapedColumn, TableShape } from './table-shape.ts';
import type { TableSize } from './table-size.ts';

/** The bytes of a row's header and its pointer in the page. */
const ROW_HEADER = 28;
const MAX_ROWS = 100_000;
const MAX_BYTES = 32 * 1024 * 1024;
/** Longer values would be compressed or stored apart. */
const MAX_TEXT = 1_500;
/** How long a statement may take, in milliseconds. */
const STATEMENT_MS = 30_000;

/** The name of the sample in its scratch database, where nothing else is. */
const sample = 'sample';

/** A table with sample rows in a scratch database. */
export interface SampleTable extends TableSize {
  readonly shape: TableShape;
}

/**
 * Fills a table of the same shape with rows of the same size as those of a tenant, but never with more rows than that has.
 * @param client a connection to an empty database
 */
export async function makeSample(client: pg.Client, shape: TableShape, of: TableSize): Promise<SampleTable> {
  const width = of.bytes / Math.max(of.rows, 1);
  const rows = Math.max(1, Math.floor(Math.min(MAX_ROWS, of.rows, MAX_BYTES / Math.max(width, ROW_HEADER))));
  const columns: readonly ShapedColumn[] = [
    ...shape.columns,
    { name: fillerOf(shape), type: 'text', category: 'S', length: -1 },
  ];
  const text = textLength(columns, width);
  const list = columns.map(({ name, type }) => `${quoteIdentifier(name)} pg_catalog.${quoteIdentifier(type)}`);
  await client.query(`SET statement_timeout = ${STATEMENT_MS}`);
  await client.query(`CREATE TABLE ${sample} (${list.join(', ')})`);
  await client.query(
    `INSERT INTO ${sample} SELECT ${columns.map((column) => sampleValue(column, text)).join(', ')}
     FROM generate_series(1, ${rows}) AS i, LATERAL (SELECT hashint4(i) AS hash) h`,
  );
  for (const index of shape.indexes) {
    // A type without an order, such as json, cannot be in such an index.
    await client.query(createIndex(index)).catch(() => undefined);
  }
  await client.query(`VACUUM (ANALYZE) ${sample}`);
  const size = await client.query<{ bytes: number }>(`SELECT pg_relation_size('${sample}')::float8 AS bytes`);
  return { shape, rows, bytes: size.rows[0]?.bytes ?? 0 };
}

/**
 * Measures how long it takes to do something for all rows of the sample, in milliseconds. The sample stays as it is.
 * @param otherRows how many rows the table has in which rows are looked up; if omitted, as many as the sample
 */
export async function measureWork(
  client: pg.Client,
  { shape, rows }: SampleTable,
  { kind, columns }: TableWork,
  otherRows = rows,
): Promise<number> {
  const known = columns.filter((name) => shape.columns.some((column) => column.name === name));
  const last = shape.columns.at(-1)?.name ?? fillerOf(shape);
  const chosen = known.length > 0 ? known : [last];
  const [one = last] = chosen;
  await client.query('BEGIN');
  try {
    const { prepare, work } = statementsFor(kind, chosen, quoteIdentifier(one), otherRows);
    if (prepare !== undefined) await client.query(prepare);
    const start = performance.now();
    await client.query(work);
    return performance.now() - start;
  } finally {
    await client.query('ROLLBACK');
    // The new versions of its rows are still in the table.
    if (kind === 'UPDATE') await client.query(`VACUUM ${sample}`);
  }
}

/** The statement whose time is measured, and what comes before it. */
function statementsFor(
  kind: TableWork['kind'],
  columns: readonly string[],
  one: string,
  otherRows: number,
): { readonly prepare?: string; readonly work: string } {
  switch (kind) {
    case 'REWRITE':
      return { work: `ALTER TABLE ${sample} ADD COLUMN tenantry_added float8 DEFAULT random()` };
    case 'SCAN':
      return { work: `ALTER TABLE ${sample} ADD CHECK (${one} IS NULL OR ${one}::text <> '')` };
    case 'INDEX':
      return { work: createIndex(columns) };
    case 'LOOKUP':
      // The rows refer to all rows of the other table alike. It is faster to look up the few rows of a small table.
      return {
        prepare: `CREATE TABLE other AS SELECT ${one} AS tenantry_key, row_number() OVER () AS n
            FROM (SELECT DISTINCT ${one} FROM ${sample} WHERE ${one} IS NOT NULL LIMIT ${Math.max(1, Math.floor(otherRows))}) s;
          ALTER TABLE other ADD PRIMARY KEY (tenantry_key);
          CREATE TABLE referring AS SELECT s.*, tenantry_key
            FROM (SELECT *, row_number() OVER () AS tenantry_row FROM ${sample}) s
            LEFT JOIN other o ON o.n = 1 + tenantry_row % (SELECT count(*) FROM other);
          ANALYZE other, referring;`,
        work: 'ALTER TABLE referring ADD FOREIGN KEY (tenantry_key) REFERENCES other',
      };
    case 'UPDATE':
      return { work: `UPDATE ${sample} SET ${one} = ${one}` };
  }
}

function createIndex(columns: readonly string[]): string {
  return `CREATE INDEX ON ${sample} (${columns.map(quoteIdentifier).join(', ')})`;
}

/** A name that no column of the table has. */
function fillerOf({ columns }: TableShape): string {
  let name = 'filler';
  while (columns.some((column) => column.name === name)) name += '_';
  return name;
}

/** The length of texts with which a row has this width, in bytes. */
function textLength(columns: readonly ShapedColumn[], width: number): number {
  const texts = columns.filter(({ category, length }) => category === 'S' && length < 0).length;
  const others = columns.reduce((sum, { category, length }) => sum + Math.max(length, category === 'N' ? 8 : 0), 0);
  return Math.floor(Math.min(Math.max((width - ROW_HEADER - others) / texts - 1, 0), MAX_TEXT));
}

/** An expression for the values of a column, which are different for each row if the type has so many. */
function sampleValue({ type, category }: ShapedColumn, text: number): string {
  const filled = `rpad(left(md5(i::text), ${text}), ${text}, 'x')`;
  const to = `::pg_catalog.${quoteIdentifier(type)}`;
  if (type === 'int2') return '(hash >> 17)::int2';
  if (type === 'uuid') return 'md5(i::text)::uuid';
  if (type === 'bytea') return `convert_to(${filled}, 'UTF8')`;
  if (type === 'json' || type === 'jsonb') return `to_json(${filled})${to}`;
  switch (category) {
    case 'N':
      return `hash${to}`;
    case 'S':
      return `${filled}${to}`;
    case 'D':
      return `(timestamptz '2020-01-01' + abs(hash::int8) * interval '10 milliseconds')${to}`;
    case 'B':
      return '(hash % 2 = 0)';
    default:
      return 'NULL';
  }
}
