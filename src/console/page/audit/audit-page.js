import { useQuery } from '../api/use-query.js';
import { html } from '../html.js';
import { Time } from '../parts/format.js';
import { Pager, usePages } from '../parts/pager.js';
import { ProblemNote } from '../parts/problem-note.js';
import { SearchField } from '../parts/search-field.js';
import { Table } from '../parts/table.js';
import { hrefOf } from '../routes.js';

/** @import { AuditEntry } from '../types.d.ts' */

/** @param {{ params: URLSearchParams }} props */
export function AuditPage({ params }) {
  const value = (/** @type {string} */ name) => params.get(name) ?? undefined;
  const filter = { actor: value('actor'), action: value('action'), outcome: value('outcome') };
  const tenant = value('tenant');
  const pages = usePages(JSON.stringify([filter, tenant]));
  const { data, problem, isLoading } = useQuery('audit', { filter, tenant, after: pages.after });
  const log = data?.auditLog;
  return html`
    <h1 tabindex="-1">Audit log</h1>
    <div class="filters" role="search" aria-label="Filter the audit log">
      <${SearchField} label="Actor" param="actor" value=${filter.actor} placeholder="whole address" />
      <${SearchField} label="Action" param="action" value=${filter.action} placeholder="such as createTenant" />
      <${SearchField} label="Outcome" param="outcome" value=${filter.outcome} placeholder="OK or an error code" />
      <${SearchField} label="Tenant" param="tenant" value=${tenant} placeholder="slug or id" />
    </div>
    <${ProblemNote} problem=${problem} />
    ${isLoading && html`<p class="muted">One moment …</p>`}
    ${
      log &&
      html`<${Table} caption="Actions, the latest first" columns=${['At', 'Actor', 'Action', 'Outcome', 'Tenant', 'From', 'Details']} empty="Nothing fits these filters.">
      ${log.nodes.map(row)}<//>
      <${Pager} pages=${pages} of=${log} label="Pages of the audit log" />`
    }`;
}

/** @param {AuditEntry} entry */
function row({ id, at, actor, action, outcome, tenant, tenantSlug, address, details, count, requestId }) {
  return html`<tr key=${id}>
    <th scope="row"><${Time} at=${at} /></th>
    <td class="text">${actor}</td>
    <td><code>${action}</code>${count > 1 && html` <span class="muted">× ${count}</span>`}</td>
    <td class=${outcome === 'OK' ? '' : 'alarm'}>${outcome}</td>
    <td>${tenant ? html`<a href=${hrefOf('tenants', tenant.id)}>${tenant.slug}</a>` : (tenantSlug ?? '–')}</td>
    <td title=${requestId ? `Request ${requestId}` : undefined}>${address ?? '–'}</td>
    <td class="text">${details && html`<code>${details}</code>`}</td>
  </tr>`;
}
