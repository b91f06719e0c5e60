import type { Product } from '../platform.ts';
import { access } from './access/index.ts';
import { permissionsOf } from './access/permissions-of.ts';
import { bookings } from './bookings/index.ts';
import { documents } from './documents/index.ts';
import { shop } from './shop/index.ts';

/**
 * The product. Only this file names the modules. docs/builders.md describes how to replace the examples.
 */
export const product: Product = { modules: [access, bookings, documents, shop], permissions: permissionsOf };
