/**
 * The platform's API for modules. Only a module's `schema.ts`, and the files that it imports, may import values from here,
 * because they load the GraphQL API. Commands and workers start without it.
 */

export { builder, type TenantContext } from './api/builder.ts';
export { pageArgs, pageSize } from './api/list-page.ts';
export type { Product, TenantModule } from './installation/product.ts';
export { AppError, badInput } from './lib/errors.ts';
export { isPlainLine } from './lib/input.ts';
export { isUuid } from './lib/uuid.ts';
export { entityConnection, MAX_PAGE } from './orm/pagination.ts';
