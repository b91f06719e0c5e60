import type pg from 'pg';
import type { StoredTable } from '../../copying/tables.ts';
import { quoteIdentifier, quoteLiteral } from '../../postgres/sql/quote.ts';
import { countLines } from '../format/count-lines.ts';
import { type Manifest, type ManifestTable, partName } from '../format/manifest.ts';
import type { ArchiveWriter } from '../format/write.ts';
import { copyOut, joined } from './copy-out.ts';
import type { ExportOptions } from './options.ts';
import type { TenantData } from './tenant-data.ts';

/** The size of a part of a table's rows. A tar needs the size of an entry before its content, so a part is kept in memory. */
const PART_BYTES = 4 * 1024 * 1024;
/** How many tables are read in one transaction. Each one is locked until its end. */
const TABLES_AT_ONCE = 40;

/** Adds the rows of all tables to an archive, and returns what its manifest says about them. */
export async function addRows(
  options: ExportOptions,
  archive: ArchiveWriter,
  data: TenantData,
): Promise<Pick<Manifest, 'migrations' | 'tables' | 'sequences'>> {
  const tables: ManifestTable[] = [];
  for (let start = 0; start < data.tables.length; start += TABLES_AT_ONCE) {
    const some = data.tables.slice(start, start + TABLES_AT_ONCE);
    await data.read(async (client) => {
      const columnsOf = await readColumns(client, data.schema, some);
      for (const { name } of some) {
        const columns = columnsOf.get(name) ?? [];
        const content = await addTable(options, archive, client, { ...data, name, columns, number: tables.length + 1 });
        tables.push({ name, columns, ...content });
      }
    });
  }
  return { migrations: [...data.migrations], tables, sequences: [...data.sequences] };
}

async function addTable(
  { onProgress, signal }: ExportOptions,
  archive: ArchiveWriter,
  client: pg.Client,
  {
    schema,
    name,
    columns,
    number,
  }: Pick<TenantData, 'schema'> & Pick<ManifestTable, 'name' | 'columns'> & { readonly number: number },
): Promise<Pick<ManifestTable, 'rows' | 'parts'>> {
  const parts: ManifestTable['parts'] = [];
  let rows = 0;
  for await (const part of joined(copyOut(client, copySql(schema, name, columns), signal), PART_BYTES)) {
    rows += countLines(part);
    parts.push(await archive.add(partName(number, parts.length + 1), part));
    onProgress?.(`the table ${name}`, rows);
  }
  return { rows, parts };
}

/** The columns of tables that are exported, which are those that PostgreSQL does not compute. */
async function readColumns(
  client: pg.Client,
  schema: string,
  tables: readonly StoredTable[],
): Promise<ReadonlyMap<string, ManifestTable['columns']>> {
  const { rows } = await client.query<{ table: string; columns: ManifestTable['columns'] }>(
    `SELECT relname AS table,
       json_agg(json_build_object('name', attname, 'type', format_type(atttypid, atttypmod)) ORDER BY attnum) AS columns
     FROM pg_class c JOIN pg_attribute ON attrelid = c.oid
     WHERE relnamespace = ${quoteLiteral(quoteIdentifier(schema))}::regnamespace AND relname = ANY ($1::text[])
       AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
     GROUP BY relname`,
    [tables.map(({ name }) => name)],
  );
  return new Map(rows.map(({ table, columns }) => [table, columns]));
}

/** Without a list of columns, which would be no SQL if there were none, COPY leaves out computed ones too. */
function copySql(schema: string, name: string, columns: ManifestTable['columns']): string {
  const list = columns.length === 0 ? '' : ` (${columns.map((column) => quoteIdentifier(column.name)).join(', ')})`;
  return `COPY ${quoteIdentifier(schema)}.${quoteIdentifier(name)}${list} TO STDOUT`;
}
