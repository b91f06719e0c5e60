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
    <${Table} caption="Waves" columns=${['Wave', 'Status', 'Tenants', 'Ended', 'Failed', 'To do']}>
      ${waves.map(
        ({ number, status, size, done, failed, remaining }) => html`<tr key=${number}>
          <th scope="row">${number}</th>
          <td><${Status} value=${status} /></td>
          <td class="number">${count(size)}</td>
          <td class="number">${count(done)}</td>
          <td class="number ${failed > 0 ? 'alarm' : ''}">${count(failed)}</td>
          <td class="number">${count(remaining)}</td>
        </tr>`,
      )}
    <//>
  </section>`;
}
