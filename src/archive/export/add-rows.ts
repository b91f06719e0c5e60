import type pg from 'pg';
import { copySql } from '../../copying/copy-sql.ts';
import { countLines } from '../../copying/count-lines.ts';
import { type Manifest, type ManifestTable, partName } from '../format/manifest.ts';
import type { ArchiveWriter } from '../format/write.ts';
import { readColumns } from '../tables.ts';
import { copyOut, joined } from './copy-out.ts';
import type { ExportOptions } from './options.ts';
import type { TenantData } from './tenant-data.ts';

/** The size of a part of a table's rows. A tar needs the size of an entry before its content, so a part is kept in memory. */
const PART_BYTES = 4 * 1024 * 1024;

/** Adds the rows of all tables to an archive, and returns what its manifest says about them. */
export async function addRows(
  options: ExportOptions,
  archive: ArchiveWriter,
  data: TenantData,
): Promise<Pick<Manifest, 'migrations' | 'tables' | 'sequences'>> {
  const tables: ManifestTable[] = [];
  let total = 0;
  for (let start = 0; start < data.tables.length; start += data.tablesAtOnce) {
    const some = data.tables.slice(start, start + data.tablesAtOnce);
    await data.read(async (client) => {
      const columnsOf = await readColumns(
        client,
        data.schema,
        some.map(({ name }) => name),
      );
      for (const { name } of some) {
        const columns = columnsOf.get(name) ?? [];
        const onRows = (table: string, rows: number) =>
          options.onProgress?.({ what: `the table ${table}`, rows: total + rows, files: 0, bytes: archive.bytes });
        const content = await addTable({ onRows, signal: options.signal }, archive, client, {
          ...data,
          name,
          columns,
          number: tables.length + 1,
        });
        total += content.rows;
        tables.push({ name, columns, ...content });
      }
    });
  }
  return { migrations: [...data.migrations], tables, sequences: [...(await data.sequences())] };
}

interface TableOptions extends Pick<ExportOptions, 'signal'> {
  /** Called with the table and the number of its rows so far. */
  readonly onRows: (table: string, rows: number) => void;
}

async function addTable(
  { onRows, signal }: TableOptions,
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
  const columnNames = columns.map((column) => column.name);
  let rows = 0;
  for await (const part of joined(
    copyOut(client, copySql(schema, name, columnNames, 'TO STDOUT'), signal),
    PART_BYTES,
  )) {
    rows += countLines(part);
    parts.push(await archive.add(partName(number, parts.length + 1), part));
    onRows(name, rows);
  }
  return { rows, parts };
}
