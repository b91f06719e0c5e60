import { useQuery } from '../api/use-query.js';
import { html } from '../html.js';
import { count } from '../parts/format.js';
import { ProblemNote } from '../parts/problem-note.js';
import { Table } from '../parts/table.js';

/** @import { ServerNodes } from './types.d.ts' */

/** The nodes of the servers' Citus clusters, if there are any. Reading them connects to each server anew, so it is done rarely. */
export function CitusNodes() {
  const { data, problem } = useQuery('serverNodes', {}, { every: 30_000 });
  const rows = data?.servers?.flatMap(({ name, nodes }) => nodes.map((node) => nodeRow(name, node))) ?? [];
  if (rows.length === 0) return html`<${ProblemNote} problem=${problem} />`;
  return html`<section aria-labelledby="nodes"><h2 id="nodes">Nodes of Citus</h2>
    <${ProblemNote} problem=${problem} />
    <${Table} caption="Nodes of Citus" columns=${['Node', 'Server', 'Tenants', 'Active']}>${rows}<//>
  </section>`;
}

/**
 * @param {string} server
 * @param {ServerNodes['nodes'][number]} node
 */
function nodeRow(server, { address, isActive, tenantCount }) {
  return html`<tr key=${`${server}/${address}`}>
    <th scope="row">${address}</th>
    <td>${server}</td>
    <td class="number">${count(tenantCount)}</td>
    <td>${isActive ? 'Yes' : html`<strong>No</strong>`}</td>
  </tr>`;
}
