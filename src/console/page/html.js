import htm from './vendor/htm.js';
import { h } from './vendor/preact.js';

/** Creates elements from a template with HTML in it. Texts are escaped. */
export const html = htm.bind(h);
