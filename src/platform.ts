/**
 * What modules import from the platform. Only a module's `schema.ts`, and what that file imports, may import values from here:
 * they load the GraphQL API, which commands and workers do without.
 */
export { AppError, badInput } from './errors.ts';
export { builder, type TenantContext } from './graphql/builder.ts';
export { entityConnection, MAX_PAGE } from './graphql/connection.ts';
export { pageArgs, pageSize } from './graphql/list-page.ts';
export { isUuid } from './is-uuid.ts';
export type { Product, TenantModule } from './product.ts';
export { isPlainLine } from './valid-input.ts';
