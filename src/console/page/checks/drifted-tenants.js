import { useQuery } from '../api/use-query.js';
import { html } from '../html.js';
import { count, Time } from '../parts/format.js';
import { Pager, usePages } from '../parts/pager.js';
import { ProblemNote } from '../parts/problem-note.js';
import { Table } from '../parts/table.js';
import { hrefOf } from '../routes.js';

/** @import { DriftedTenant } from './types.d.ts' */

const empty = 'No check has found a difference. DRIFT_CHECK_HOURS and the command tenantry drift check all tenants.';

/** The tenants whose tables do not match the entities, by the last check of the fleet. */
export function DriftedTenants() {
  const pages = usePages('drifted');
  const { data, problem, isLoading } = useQuery('drifted', { after: pages.after }, { every: 30_000 });
  const list = data?.driftedTenants;
  return html`<section aria-labelledby="drifted"><h2 id="drifted">Tenants with drift</h2>
    <${ProblemNote} problem=${problem} />
    ${isLoading && html`<p class="muted">One moment …</p>`}
    ${
      list &&
      html`<${Table} caption="Tenants with drift" columns=${['Tenant', 'Differences', 'Checked', 'Error']} empty=${empty}>
      ${list.nodes.map(row)}<//>
      <${Pager} pages=${pages} of=${list} label="Pages of tenants with drift" />`
    }
  </section>`;
}

/** @param {DriftedTenant} check */
function row({ tenant, differences, checkedAt, error }) {
  return html`<tr key=${tenant.id}>
    <th scope="row"><a href=${hrefOf('tenants', tenant.id)}>${tenant.slug}</a></th>
    <td class="number">${count(differences)}</td>
    <td><${Time} at=${checkedAt} /></td>
    <td class="text">${error}</td>
  </tr>`;
}
