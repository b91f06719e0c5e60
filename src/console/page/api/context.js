import { createContext } from '../vendor/preact.js';

/** @import { Api } from '../types.d.ts' */

/**
 * The API, for all parts of the page.
 * @type {import('preact').Context<Api>}
 */
// The root of the page provides it, so that nobody sees the empty one.
export const ApiContext = createContext(/** @type {Api} */ (/** @type {unknown} */ (undefined)));
