import { html } from '../html.js';
import { useState } from '../vendor/hooks.js';
import { count } from './format.js';

/** @import { Page } from '../types.d.ts' */

/**
 * Where a reader is in a list: the cursors of the pages so far.
 * @param {string} list what is listed; the first page is shown when it changes
 */
export function usePages(list) {
  const [state, setState] = useState({ list, cursors: /** @type {string[]} */ ([]) });
  const cursors = state.list === list ? state.cursors : [];
  return {
    after: cursors.at(-1),
    number: cursors.length + 1,
    next: (/** @type {string} */ cursor) => setState({ list, cursors: [...cursors, cursor] }),
    previous: () => setState({ list, cursors: cursors.slice(0, -1) }),
  };
}

/**
 * Buttons for the pages of a list.
 * @param {{ pages: ReturnType<typeof usePages>, of: Page<unknown> | undefined, label: string }} props
 */
export function Pager({ pages, of, label }) {
  if (!of || (pages.number === 1 && !of.pageInfo.hasNextPage)) return null;
  const { endCursor, hasNextPage } = of.pageInfo;
  return html`<nav class="pager" aria-label=${label}>
    <button type="button" disabled=${pages.number === 1} onClick=${pages.previous}>Previous</button>
    <span class="muted">Page ${pages.number}, ${count(of.totalCount)} in all</span>
    <button type="button" disabled=${!hasNextPage} onClick=${() => endCursor && pages.next(endCursor)}>Next</button>
  </nav>`;
}
