/**
 * What modules import from the platform. Only a module's `schema.ts`, and what that file imports, may import values from here:
 * they load the GraphQL API, which commands and workers do without.
 */

export { builder, type TenantContext } from './api/builder.ts';
export { pageArgs, pageSize } from './api/list-page.ts';
export type { Product, TenantModule } from './installation/product.ts';
export { AppError, badInput } from './lib/errors.ts';
export { isPlainLine } from './lib/input.ts';
export { isUuid } from './lib/uuid.ts';
export { entityConnection, MAX_PAGE } from './orm/pagination.ts';
