import type { Product } from '../platform.ts';
import { access } from './access/index.ts';
import { permissionsOf } from './access/permissions-of.ts';
import { shop } from './shop/index.ts';

/**
 * The product. This file is the only place where the platform meets what is built on it; docs/builders.md tells how to
 * replace the example shop.
 */
export const product: Product = { modules: [access, shop], permissions: permissionsOf };
