import { badInput, type ModuleServices, type TenantFiles } from '../../../platform.ts';
import { fileKey, isFileId, prefixOf } from './file-store.ts';
import { storeOf } from './store-of.ts';

/** The files of tenants, which are named by their ids. A clone has files with the same ids under a prefix of its own. */
export async function openTenantFiles(services: ModuleServices): Promise<TenantFiles> {
  const store = await storeOf(services);
  return {
    kind: 'documents',
    async *list(tenant) {
      const prefix = prefixOf(tenant);
      for await (const { key, size } of store.list(prefix)) yield { name: key.slice(prefix.length), bytes: size };
    },
    // A range needs a last byte. The module stores no empty files.
    read: (tenant, { name, bytes }, signal) => store.read(fileKey(tenant, name), { start: 0, end: bytes - 1 }, signal),
    write: async (tenant, { name, bytes }, content) => {
      if (!isFileId(name)) throw badInput('name', `${JSON.stringify(name)} is not the id of a file`);
      await store.write(fileKey(tenant, name), content, bytes);
    },
    copyAll: (from, to) => store.copyAll(prefixOf(from), prefixOf(to)),
    removeAll: (tenant) => store.deleteAll(prefixOf(tenant)),
  };
}
