import { useQuery } from '../api/use-query.js';
import { html } from '../html.js';
import { duration, Status, word } from '../parts/format.js';
import { Pager, usePages } from '../parts/pager.js';
import { ProblemNote } from '../parts/problem-note.js';
import { Table } from '../parts/table.js';
import { hrefOf } from '../routes.js';
import { useState } from '../vendor/hooks.js';
import { isActive } from './use-run.js';

/** @import { RunDetails, RunItem } from '../types.d.ts' */

const statuses = ['FAILED', 'RUNNING', 'PENDING', 'SUCCEEDED', 'SKIPPED', 'CANCELLED'];

/**
 * The tenants of a run.
 * @param {{ run: RunDetails }} props
 */
export function RunItems({ run }) {
  const [status, setStatus] = useState('');
  const pages = usePages(status);
  const variables = { id: run.id, after: pages.after, status: status || undefined };
  const { data, problem } = useQuery('runItems', variables, { every: isActive(run) ? 3_000 : undefined });
  const items = data?.migrationRun?.items;
  const chosen = (/** @type {Event & { currentTarget: HTMLSelectElement }} */ event) =>
    setStatus(event.currentTarget.value);
  return html`<section aria-labelledby="items"><h2 id="items">Tenants</h2>
    <div class="filters"><label class="field">Status
      <select value=${status} onChange=${chosen}><option value="">All</option>
        ${statuses.map((value) => html`<option key=${value} value=${value}>${word(value)}</option>`)}</select></label></div>
    <${ProblemNote} problem=${problem} />
    ${
      items &&
      html`<${Table} caption="Tenants of the run" columns=${['Tenant', 'Status', 'Migrations', 'Tries', 'Took', 'Error']}>${items.nodes.map(row)}<//>
      <${Pager} pages=${pages} of=${items} label="Pages of tenants" />`
    }
  </section>`;
}

/** @param {RunItem} item */
function row({ tenant, status, applied, attempts, durationMs, error }) {
  return html`<tr key=${tenant.id}>
    <th scope="row"><a href=${hrefOf('tenants', tenant.id)}>${tenant.slug}</a></th>
    <td><${Status} value=${status} /></td>
    <td class="number">${applied.length}</td>
    <td class="number">${attempts}</td>
    <td class="number">${durationMs === null ? '–' : duration(durationMs)}</td>
    <td class="text">${error}</td>
  </tr>`;
}
