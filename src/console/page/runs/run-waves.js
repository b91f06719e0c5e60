import { html } from '../html.js';
import { count, Status } from '../parts/format.js';
import { Table } from '../parts/table.js';

/** @import { Wave } from '../types.d.ts' */

/**
 * The waves of a run that has several.
 * @param {{ waves: readonly Wave[] }} props
 */
export function RunWaves({ waves }) {
  if (waves.length < 2) return null;
  return html`<section aria-labelledby="waves"><h2 id="waves">Waves</h2>
    <${Table} caption="Waves" columns=${['Wave', 'Status', 'Tenants', 'Succeeded', 'Failed', 'To do']}>
      ${waves.map(
        ({ wave, status, total, succeeded, failed, pending }) => html`<tr key=${wave}>
          <th scope="row">${wave}</th>
          <td><${Status} value=${status} /></td>
          <td class="number">${count(total)}</td>
          <td class="number">${count(succeeded)}</td>
          <td class="number ${failed > 0 ? 'alarm' : ''}">${count(failed)}</td>
          <td class="number">${count(pending)}</td>
        </tr>`,
      )}
    <//>
  </section>`;
}
