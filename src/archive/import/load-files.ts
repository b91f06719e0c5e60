import type { TenantFiles } from '../../tenants/tenant-files.ts';
import { fileName, type ManifestFile } from '../format/manifest.ts';
import { quoted, refused } from '../format/problem.ts';
import type { ContentReader } from './content-reader.ts';

/**
 * Checks that this installation has a module for each kind of files.
 * @throws {AppError} BAD_USER_INPUT
 */
export function checkKinds(stores: readonly TenantFiles[], files: readonly ManifestFile[]): void {
  const kinds = new Set(stores.map(({ kind }) => kind));
  const unknown = files.find(({ kind }) => !kinds.has(kind));
  if (unknown)
    throw refused(`has files of the kind ${quoted(unknown.kind)}, which no module of this installation keeps`);
}

/**
 * Stores the files of an archive as those of a tenant.
 * @throws {AppError} BAD_USER_INPUT if a module gives no file such a name
 */
export async function loadFiles(
  stores: readonly TenantFiles[],
  tenant: string,
  files: readonly ManifestFile[],
  reader: ContentReader,
): Promise<void> {
  const byKind = new Map(stores.map((store) => [store.kind, store]));
  for (const [index, { kind, name, bytes, sha256 }] of files.entries()) {
    const content = reader.next(fileName(index + 1), { bytes, sha256 });
    await byKind.get(kind)?.write(tenant, { name, bytes }, content);
  }
}
