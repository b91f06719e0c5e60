import type { TenantModule } from '../tenancy/tenant-module.ts';
import { access } from './access/index.ts';
import { shop } from './shop/index.ts';

/**
 * All modules. This file is the only place where the platform meets what is built on it;
 * docs/replacing-the-shop.md tells how the example shop is replaced.
 */
export const modules: readonly TenantModule[] = [access, shop];

/** What a member may do in a tenant. */
export { permissionsOf } from './access/index.ts';
