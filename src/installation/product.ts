import type { EntityManager, EntitySchema } from '@mikro-orm/postgresql';
import type { MemberRole } from '../catalog/entities/membership.entity.ts';
import { type PermissionsOf, permissionsByRole } from '../routing/permissions.ts';
import type { TenantFiles } from '../tenants/tenant-files.ts';
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
  /** Opens the files that the module keeps of tenants outside of their databases, for clones, archives and deletions. */
  files?(services: ModuleServices): Promise<TenantFiles>;
  /**
   * Masks what must not leave production, such as addresses and names, in a new clone before it is served. If it fails, so does
   * the clone.
   * @param em an entity manager of the clone, in a transaction, as the tenant's role
   */
  neutralize?(em: EntityManager, services: ModuleServices): Promise<void>;
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

/** Opens the files of all modules; see {@link TenantModule.files}. */
export async function filesOf({ modules }: Product, services: ModuleServices): Promise<readonly TenantFiles[]> {
  const files: TenantFiles[] = [];
  for (const module of modules) {
    const opened = await module.files?.(services);
    if (opened) files.push(opened);
  }
  return files;
}

/** Masks the rows of a new clone; see {@link TenantModule.neutralize}. */
export async function neutralize({ modules }: Product, em: EntityManager, services: ModuleServices): Promise<void> {
  for (const module of modules) await module.neutralize?.(em, services);
}

/** Returns the product's permissions as a function. */
export function permissionsOf({ permissions }: Product): PermissionsOf {
  return typeof permissions === 'function' ? permissions : permissionsByRole(permissions);
}
