import type { EntitySchema } from '@mikro-orm/postgresql';
import type { MemberRole } from '../catalog/entities/membership.entity.ts';
import { type PermissionsOf, permissionsByRole } from '../routing/permissions.ts';
import type { ModuleRoute } from './module-route.ts';
import type { ModuleServices } from './module-services.ts';

/** One module of the product that is built on the platform. */
export interface TenantModule {
  /** The module's tables in each tenant, each declared with `schema: '*'`. */
  readonly entities: readonly EntitySchema[];
  /** Loads the file that extends the GraphQL API. Commands and workers start faster without it. */
  schema(): Promise<unknown>;
  /** Loads the handlers of HTTP requests to paths of the module's own. */
  routes?(): Promise<readonly ModuleRoute[]>;
  /**
   * Removes what the module keeps of a tenant outside of the tenant's database. Called while the tenant is deleted, when its
   * database is gone, and again until it succeeds. Must be idempotent.
   * @param tenant the tenant's id
   */
  removeTenant?(tenant: string, services: ModuleServices): Promise<void>;
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

/** Loads the routes of all modules. */
export async function routesOf({ modules }: Product): Promise<readonly ModuleRoute[]> {
  return (await Promise.all(modules.map((module) => module.routes?.() ?? []))).flat();
}

/** Removes what the modules keep of a tenant outside of its database; see {@link TenantModule.removeTenant}. */
export async function removeFromModules({ modules }: Product, tenant: string, services: ModuleServices): Promise<void> {
  for (const module of modules) await module.removeTenant?.(tenant, services);
}

/** Returns the product's permissions as a function. */
export function permissionsOf({ permissions }: Product): PermissionsOf {
  return typeof permissions === 'function' ? permissions : permissionsByRole(permissions);
}
