/**
 * The platform's API for modules. Only a module's `schema.ts`, and the files that it imports, may import values from here,
 * because they load the GraphQL API. Commands and workers start without it, unless a migration is a {@link Backfill}.
 */

export { builder, type TenantContext } from './api/builder.ts';
export type { Context } from './api/context.ts';
export { explainConstraint } from './api/entities/constraints.ts';
export type { InputFields, InputValues } from './api/entities/input.ts';
export { listField } from './api/entities/list-fields.ts';
export { loadEntity } from './api/entities/load-entity.ts';
export { createField, deleteField, updateField } from './api/entities/mutation-fields.ts';
export { entityType, needs } from './api/entities/object-fields.ts';
export { oneField, readEntity } from './api/entities/one-field.ts';
export { pageArgs, pageSize } from './api/list-page.ts';
export type { ModuleRoute, RouteRequest } from './installation/module-route.ts';
export type { ModuleServices } from './installation/module-services.ts';
export type { Product, TenantModule } from './installation/product.ts';
export { AppError, badInput } from './lib/errors.ts';
export { isPlainLine } from './lib/input.ts';
export { isUuid } from './lib/uuid.ts';
export { Backfill } from './migrator/files/backfill.ts';
export { entityConnection, MAX_PAGE } from './orm/pagination.ts';
export type { TenantFile, TenantFiles } from './tenants/tenant-files.ts';
