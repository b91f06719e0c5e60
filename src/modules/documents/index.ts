import type { ModuleServices } from '../../platform.ts';
import { DocumentSchema } from './document.entity.ts';
import { examples } from './examples.ts';
import { FileSchema, RemovedFileSchema } from './file.entity.ts';

/** The example of files: uploads and downloads by signed URLs, and documents that describe them. */
export const documents = {
  entities: [FileSchema, RemovedFileSchema, DocumentSchema],
  schema: () => import('./schema.ts'),
  examples,
  routes: async () => [(await import('./file-route.ts')).createFileRoute()],
  removeTenant: async (tenant: string, services: ModuleServices) => {
    const { prefixOf } = await import('./store/file-store.ts');
    const { storeOf } = await import('./store/store-of.ts');
    const store = await storeOf(services);
    await store.deleteAll(prefixOf(tenant));
  },
};
