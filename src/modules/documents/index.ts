import type { EntityManager } from '@mikro-orm/postgresql';
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
  neutralize: async (em: EntityManager) => (await import('./neutralize.ts')).neutralize(em),
  files: async (services: ModuleServices) => (await import('./store/tenant-files.ts')).openTenantFiles(services),
};
