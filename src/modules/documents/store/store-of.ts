import type { ModuleServices } from '../../../platform.ts';
import type { FileStore } from './file-store.ts';

const stores = new WeakMap<ModuleServices, Promise<FileStore>>();

/** Returns the store that the settings name. */
export function storeOf(services: ModuleServices): Promise<FileStore> {
  const store = stores.get(services) ?? openStore(services);
  stores.set(services, store);
  return store;
}

/** Loaded late: most processes need none, or only one of them. */
async function openStore({ files: { store } }: ModuleServices): Promise<FileStore> {
  if (store.kind === 'folder') return new (await import('./folder-store.ts')).FolderStore(store.folder);
  return new (await import('./s3-store.ts')).S3Store(store);
}
