import { useQuery } from '../api/use-query.js';
import { html } from '../html.js';
import { duration, Status, Time } from '../parts/format.js';
import { Pager, usePages } from '../parts/pager.js';
import { ProblemNote } from '../parts/problem-note.js';
import { Table } from '../parts/table.js';
import { hrefOf } from '../routes.js';

/** @import { MigrationRecord } from '../types.d.ts' */

/**
 * What migrations did to a tenant.
 * @param {{ id: string }} props
 */
export function History({ id }) {
  const pages = usePages(id);
  const { data, problem } = useQuery('history', { id, after: pages.after });
  const history = data?.migrationHistory;
  return html`<section aria-labelledby="history"><h2 id="history">History</h2>
    <${ProblemNote} problem=${problem} />
    ${
      history &&
      html`<${Table} caption="Migrations, the latest first" columns=${['Migration', 'Status', 'At', 'Took', 'Run', 'Error']}>${history.nodes.map(row)}<//>
      <${Pager} pages=${pages} of=${history} label="Pages of the history" />`
    }
  </section>`;
}

/** @param {MigrationRecord} record */
function row({ name, status, appliedAt, durationMs, run, error }) {
  return html`<tr key=${`${name} ${appliedAt} ${status}`}>
    <th scope="row"><code>${name}</code></th>
    <td><${Status} value=${status} /></td>
    <td><${Time} at=${appliedAt} /></td>
    <td class="number">${duration(durationMs)}</td>
    <td>${run ? html`<a href=${hrefOf('runs', run)}>${run.slice(0, 8)}</a>` : '–'}</td>
    <td class="text">${error}</td>
  </tr>`;
}
