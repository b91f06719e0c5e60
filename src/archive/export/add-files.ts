import type { Tenant } from '../../catalog/entities/tenant.entity.ts';
import { fileName, type ManifestFile } from '../format/manifest.ts';
import type { ArchiveWriter } from '../format/write.ts';
import type { ExportOptions } from './options.ts';
import { tenantFiles } from './tenant-files.ts';

/**
 * Adds a tenant's files to an archive, and returns what its manifest says about them.
 * @param rows how many were exported, for the progress
 */
export async function addFiles(
  options: ExportOptions,
  archive: ArchiveWriter,
  tenant: Tenant,
  rows: number,
): Promise<ManifestFile[]> {
  const files: ManifestFile[] = [];
  const onFile = (kind: string, count: number) =>
    options.onProgress?.({ what: `the files of ${kind}`, rows, files: count, bytes: archive.bytes });
  for await (const { kind, name, bytes, content } of tenantFiles(options, tenant, onFile)) {
    const { sha256 } = await archive.addStream(fileName(files.length + 1), bytes, content);
    files.push({ kind, name, bytes, sha256 });
  }
  return files;
}
