import { html } from '../html.js';
import { count } from '../parts/format.js';
import { setParams } from '../routes.js';
import { marks } from './groups.js';

/** @import { Group } from './groups.js' */

/**
 * What the colours mean, with numbers. Each entry shows only its tenants, or all again.
 * @param {{ groups: readonly Group[], chosen: string }} props
 */
export function Legend({ groups, chosen }) {
  return html`<ul class="legend" aria-label="Colours: choose one to see only its tenants">
    ${groups.map(
      ({ key, label, note, colour, mark, count: tenants }) => html`<li key=${key}>
        <button type="button" aria-pressed=${key === chosen} onClick=${() => setParams({ group: key === chosen ? '' : key })}>
          <svg class="swatch" viewBox="0 0 12 12" aria-hidden="true">
            <rect class="cell-${colour}" width="12" height="12" />${mark && html`<path class="cell-mark" d=${marks[mark]} />`}
          </svg>
          <span>${label}${note && html` <span class="muted">${note}</span>`}</span>
          <span class="number">${count(tenants)}</span>
        </button>
      </li>`,
    )}
  </ul>`;
}
