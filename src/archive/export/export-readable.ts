import type { Writable } from 'node:stream';
import type { Tenant } from '../../catalog/entities/tenant.entity.ts';
import { endingOf, peek } from './file-ending.ts';
import type { Exported, ExportOptions } from './options.ts';
import { type ReadableFormat, readableRows, readableTables } from './readable-tables.ts';
import { readmeOf } from './readme.ts';
import { type TenantData, withTenantData } from './tenant-data.ts';
import { tenantFiles } from './tenant-files.ts';
import { ZipWriter } from './zip.ts';

/**
 * Writes a zip file with a tenant's data for people and other programs: a CSV or JSON file for each table, and the tenant's files.
 * It cannot be imported.
 * @param destination stays open
 * @throws {AppError} TENANT_BUSY or CONFLICT, as {@link withTenantData}
 */
export async function exportReadable(
  options: ExportOptions,
  tenant: Tenant,
  format: ReadableFormat,
  destination: Writable,
): Promise<Exported> {
  const { signal } = options;
  const at = new Date();
  const zip = new ZipWriter(destination, at, signal);
  try {
    await zip.add('', 'README.txt', [Buffer.from(readmeOf(tenant, format, at))]);
    const counts = await withTenantData(options, tenant, (data) => addTables(options, zip, data, format));
    let files = 0;
    const onFile = (kind: string, count: number) =>
      options.onProgress?.({ what: `the files of ${kind}`, rows: counts.rows, files: count, bytes: zip.bytes });
    for await (const { kind, name, content } of tenantFiles(options, tenant, onFile)) {
      const { start, all } = await peek(content);
      await zip.add(`files/${kind}/`, name + endingOf(name, start), all);
      files += 1;
    }
    await zip.finish();
    return { ...counts, files, bytes: zip.bytes };
  } catch (error) {
    await zip.abandon();
    signal.throwIfAborted();
    throw error;
  }
}

async function addTables(
  { onProgress, signal }: ExportOptions,
  zip: ZipWriter,
  { tables, schema, tablesAtOnce, read }: TenantData,
  format: ReadableFormat,
): Promise<Pick<Exported, 'tables' | 'rows'>> {
  const all = readableTables(tables);
  let total = 0;
  for (let start = 0; start < all.length; start += tablesAtOnce) {
    await read(async (client) => {
      for (const table of all.slice(start, start + tablesAtOnce)) {
        const { name } = table;
        const before = total;
        const onRows = (count: number) => {
          total = before + count;
          onProgress?.({ what: `the table ${name}`, rows: total, files: 0, bytes: zip.bytes });
        };
        await zip.add('tables/', `${name}.${format}`, readableRows(client, schema, table, format, onRows, signal));
      }
    });
  }
  return { tables: all.length, rows: total };
}
