import type { Tenant } from '../../catalog/entities/tenant.entity.ts';
import type { ExportOptions } from './options.ts';

/** A file of a tenant, with its content. */
export interface FileToExport {
  readonly kind: string;
  readonly name: string;
  readonly bytes: number;
  readonly content: AsyncIterable<Uint8Array>;
}

/**
 * Yields the files that modules keep of a tenant. Those that are deleted meanwhile are left out.
 * @param onFile called with the kind and the number of files so far, before each
 */
export async function* tenantFiles(
  { files, signal }: ExportOptions,
  { id }: Tenant,
  onFile: (kind: string, files: number) => void,
): AsyncGenerator<FileToExport> {
  let count = 0;
  for (const store of await files()) {
    for await (const file of store.list(id)) {
      signal.throwIfAborted();
      const content = await store.read(id, file, signal);
      if (!content) continue;
      count += 1;
      onFile(store.kind, count);
      yield { kind: store.kind, name: file.name, bytes: file.bytes, content };
    }
  }
}
