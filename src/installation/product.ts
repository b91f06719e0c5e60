import type { EntitySchema } from '@mikro-orm/postgresql';
import type { MemberRole } from '../catalog/entities/membership.entity.ts';
import { type PermissionsOf, permissionsByRole } from '../routing/permissions.ts';

/** One module of the product that is built on the platform. */
export interface TenantModule {
  /** The module's tables in each tenant, each declared with `schema: '*'`. */
  readonly entities: readonly EntitySchema[];
  /** Loads the file that extends the GraphQL API. Commands and workers start faster without it. */
  schema(): Promise<unknown>;
  /** GraphQL operations on the module's data, with which GraphiQL opens a tab. Mutations come first if others need them. */
  readonly examples?: string;
}

/** The product that is built on the platform. */
export interface Product {
  readonly modules: readonly TenantModule[];
  /** Members' permissions in a tenant: a function, or fixed lists for OWNER, ADMIN and MEMBER. */
  readonly permissions: PermissionsOf | Readonly<Partial<Record<MemberRole, readonly string[]>>>;
}

/** Loads the product. It is loaded late, because `--help` does not need the entities. */
export type LoadProduct = () => Promise<Product>;

/** Returns the product's permissions as a function. */
export function permissionsOf({ permissions }: Product): PermissionsOf {
  return typeof permissions === 'function' ? permissions : permissionsByRole(permissions);
}
