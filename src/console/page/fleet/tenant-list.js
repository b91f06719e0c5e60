import { html } from '../html.js';
import { count, Status } from '../parts/format.js';
import { Table } from '../parts/table.js';
import { hrefOf } from '../routes.js';
import { useState } from '../vendor/hooks.js';
import { stateOf } from './groups.js';

/** @import { Cell, FleetState } from '../types.d.ts' */

/** How many tenants are added to the list at once. */
const STEP = 50;

/**
 * The tenants of the picture as a list.
 * @param {{ cells: readonly Cell[], states: ReadonlyMap<string, FleetState> }} props
 */
export function TenantList({ cells, states }) {
  const [shown, setShown] = useState(STEP);
  const [isOpen, setIsOpen] = useState(false);
  const toggled = (/** @type {Event & { currentTarget: HTMLDetailsElement }} */ event) =>
    setIsOpen(event.currentTarget.open);
  return html`<details onToggle=${toggled}>
    <summary>The same as a list</summary>
    ${
      isOpen &&
      html`<${Table} caption="Tenants" columns=${['Tenant', 'Status', 'Version', 'Behind', 'Server', 'Isolation']}>
      ${cells.slice(0, shown).map((cell) => row(cell, states))}
    <//>
    ${cells.length > shown && html`<button type="button" onClick=${() => setShown(shown + STEP)}>Show more of ${count(cells.length)}</button>`}`
    }
  </details>`;
}

/**
 * @param {Cell} cell
 * @param {ReadonlyMap<string, FleetState>} states
 */
function row(cell, states) {
  const state = stateOf(cell, states);
  return html`<tr key=${cell.id}>
    <th scope="row"><a href=${hrefOf('tenants', cell.id)}>${cell.slug}</a></th>
    <td><${Status} value=${cell.status} /></td>
    <td>${state?.version ?? '–'}</td>
    <td class="number">${state?.behind ?? '–'}</td>
    <td>${cell.server}</td>
    <td>${cell.isolation === 'SCHEMA' ? 'Schema' : 'Database'}</td>
  </tr>`;
}
