import type { EntitySchema } from '@mikro-orm/postgresql';
import type { MemberRole } from '../catalog/entities/membership.entity.ts';
import { type PermissionsOf, permissionsByRole } from '../routing/permissions.ts';

/** A part of the product that is built on the platform. */
export interface TenantModule {
  /** The module's tables in each tenant, each declared with `schema: '*'`. */
  readonly entities: readonly EntitySchema[];
  /** Loads the file that adds to the GraphQL API. Commands and workers start sooner without it. */
  schema(): Promise<unknown>;
}

/** What is built on the platform. */
export interface Product {
  readonly modules: readonly TenantModule[];
  /** What a member may do in a tenant: a function, or what OWNER, ADMIN and MEMBER may do. */
  readonly permissions: PermissionsOf | Readonly<Partial<Record<MemberRole, readonly string[]>>>;
}

/** Loads the product. It is loaded late, since `--help` needs no entities. */
export type LoadProduct = () => Promise<Product>;

/** The product's permissions as a function. */
export function permissionsOf({ permissions }: Product): PermissionsOf {
  return typeof permissions === 'function' ? permissions : permissionsByRole(permissions);
}
