import type { EntitySchema } from '@mikro-orm/postgresql';
import { accessEntities } from './access/index.ts';
import { shopEntities } from './shop/index.ts';

/**
 * The entities that every tenant has, each declared with `schema: '*'`. This file is the only place where the platform
 * meets what is built on it; README.md tells how the example shop is replaced.
 */
export const moduleEntities: readonly EntitySchema[] = [...accessEntities, ...shopEntities];

/** What a member may do in a tenant. */
export { permissionsOf } from './access/index.ts';
