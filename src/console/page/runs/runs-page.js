import { useQuery } from '../api/use-query.js';
import { html } from '../html.js';
import { count, Status, Time, word } from '../parts/format.js';
import { Pager, usePages } from '../parts/pager.js';
import { ProblemNote } from '../parts/problem-note.js';
import { ChoiceField } from '../parts/search-field.js';
import { Table } from '../parts/table.js';
import { hrefOf } from '../routes.js';

/** @import { Run } from '../types.d.ts' */

const statuses = ['PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'HALTED', 'CANCELLED'];

/** What the kinds of runs are called. */
export const kindNames = /** @type {const} */ ({ UP: 'Migrate', DOWN: 'Revert', UNDO: 'Undo' });

/** @param {{ params: URLSearchParams }} props */
export function RunsPage({ params }) {
  const filter = { status: params.get('status') ?? undefined, kind: params.get('kind') ?? undefined };
  const pages = usePages(JSON.stringify(filter));
  const { data, problem, isLoading } = useQuery('runs', { ...filter, after: pages.after }, { every: 3_000 });
  const runs = data?.migrationRuns;
  return html`
    <div class="heading"><h1 tabindex="-1">Runs</h1>
      <div class="buttons"><a class="button primary" href=${hrefOf('runs', 'new')}>New run</a></div>
    </div>
    <div class="filters" role="search" aria-label="Filter runs">
      <${ChoiceField} label="Status" param="status" value=${filter.status ?? ''} options=${statuses.map((value) => ({ value, name: word(value) }))} />
      <${ChoiceField} label="Kind" param="kind" value=${filter.kind ?? ''}
        options=${Object.entries(kindNames).map(([value, name]) => ({ value, name }))} />
    </div>
    <${ProblemNote} problem=${problem} />
    ${isLoading && html`<p class="muted">One moment …</p>`}
    ${
      runs &&
      html`<${Table} caption="Runs, the newest first" columns=${['Run', 'Status', 'Kind', 'Tenants', 'Succeeded', 'Failed', 'Ended']} empty="There are no runs.">
      ${runs.nodes.map(row)}<//>
      <${Pager} pages=${pages} of=${runs} label="Pages of runs" />`
    }`;
}

/** @param {Run} run */
function row({ id, createdAt, status, kind, dryRun, total, succeeded, failed, endedAt }) {
  return html`<tr key=${id}>
    <th scope="row"><a href=${hrefOf('runs', id)}><${Time} at=${createdAt} /></a></th>
    <td><${Status} value=${status} /></td>
    <td>${kindNames[kind]}${dryRun && ', dry run'}</td>
    <td class="number">${count(total)}</td>
    <td class="number">${count(succeeded)}</td>
    <td class="number ${failed > 0 ? 'alarm' : ''}">${count(failed)}</td>
    <td><${Time} at=${endedAt} /></td>
  </tr>`;
}
