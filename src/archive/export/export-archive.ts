import type { Writable } from 'node:stream';
import type { Tenant } from '../../catalog/entities/tenant.entity.ts';
import { AppError } from '../../lib/errors.ts';
import { productVersion } from '../../lib/version.ts';
import { ARCHIVE_FORMAT, ARCHIVE_VERSION, entryName, MAX_MANIFEST_BYTES, type Manifest } from '../format/manifest.ts';
import { ArchiveWriter } from '../format/write.ts';
import { addFiles } from './add-files.ts';
import { addRows } from './add-rows.ts';
import type { Exported, ExportOptions } from './options.ts';
import { withTenantData } from './tenant-data.ts';

/**
 * Writes an archive of a tenant: its rows as they are now, and its files.
 * @param destination stays open
 * @throws {AppError} TENANT_BUSY or CONFLICT, as {@link withTenantData}; CONFLICT if its migrations are unknown
 */
export async function exportArchive(options: ExportOptions, tenant: Tenant, destination: Writable): Promise<Exported> {
  if (tenant.status === 'NEEDS_ATTENTION') {
    throw new AppError(
      'CONFLICT',
      `The tenant ${tenant.slug} needs attention: its migrations are unknown, so its archive could not be imported. Fix it and run \`tenantry tenant resolve ${tenant.slug}\`, or export it as csv or json.`,
    );
  }
  const createdAt = new Date();
  const archive = new ArchiveWriter(destination, createdAt, options.signal);
  try {
    await archive.add(entryName.header, json({ format: ARCHIVE_FORMAT, version: ARCHIVE_VERSION }));
    const rows = await withTenantData(options, tenant, (data) => addRows(options, archive, data));
    const count = rows.tables.reduce((sum, table) => sum + table.rows, 0);
    const files = await addFiles(options, archive, tenant, count);
    const manifest: Manifest = {
      format: ARCHIVE_FORMAT,
      version: ARCHIVE_VERSION,
      createdAt: createdAt.toISOString(),
      tenantry: productVersion,
      tenant: { id: tenant.id, slug: tenant.slug, name: tenant.name, isolation: tenant.isolation },
      ...rows,
      files,
    };
    const text = json(manifest);
    if (text.length > MAX_MANIFEST_BYTES) {
      throw new AppError('CONFLICT', `The tenant ${tenant.slug} has more files and tables than an archive can list.`);
    }
    const { sha256 } = await archive.add(entryName.manifest, text);
    await archive.add(entryName.checksum, Buffer.from(`${sha256}\n`));
    await archive.finish();
    return { tables: rows.tables.length, rows: count, files: files.length, bytes: archive.bytes };
  } catch (error) {
    await archive.abandon();
    options.signal.throwIfAborted();
    throw error;
  }
}

function json(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}
