import { useQuery } from '../api/use-query.js';
import { html } from '../html.js';
import { ago, counted, Status, size, Time } from '../parts/format.js';
import { ProblemNote } from '../parts/problem-note.js';
import { hrefOf } from '../routes.js';
import { Checkpoints } from './checkpoints.js';
import { BinNote } from './delete-dialogs.js';
import { Drift } from './drift.js';
import { History } from './history.js';
import { Members } from './members.js';
import { TenantButtons } from './tenant-buttons.js';
import { Transfers } from './transfers.js';

/** @import { Tenant } from '../types.d.ts' */

/** @param {{ id: string }} props */
export function TenantPage({ id }) {
  const { data, problem, isLoading, reload } = useQuery('tenant', { id }, { every: 5_000 });
  const tenant = data?.tenant;
  return html`
    <nav aria-label="Where you are" class="muted"><a href=${hrefOf('fleet')}>Fleet</a> /</nav>
    <div class="heading">
      <h1 tabindex="-1">${tenant?.slug ?? 'Tenant'}</h1>
      ${tenant && html`<${Status} value=${tenant.status} /><${TenantButtons} tenant=${tenant} reload=${reload} />`}
    </div>
    <${ProblemNote} problem=${problem} />
    ${isLoading && html`<p class="muted">One moment …</p>`}
    ${tenant === null && html`<p>There is no such tenant. It may have been deleted.</p>`}
    ${
      tenant &&
      html`${tenant.status === 'DELETED' && html`<${BinNote} tenant=${tenant} />`}
      <${Facts} tenant=${tenant} />
      <${Transfers} id=${id} />
      <${Drift} id=${id} />
      <${Checkpoints} tenant=${tenant} />
      <${History} id=${id} />
      <${Members} id=${id} />`
    }`;
}

/** @param {{ tenant: Tenant }} props */
function Facts({
  tenant: { id, slug, name, host, version, behind, isolation, placement, createdAt, usage, clonedFrom },
}) {
  return html`<dl class="facts">
    <div><dt>Name</dt><dd>${name}</dd></div>
    ${clonedFrom && html`<div><dt>Clone of</dt><dd>${clonedFrom.slug}${clonedFrom.checkpoint === null ? '' : `, checkpoint ${clonedFrom.checkpoint}`}</dd></div>`}
    <div><dt>Host</dt><dd>${host ?? html`<span class="muted">none</span>`}</dd></div>
    <div><dt>Version</dt><dd><code>${version ?? 'none'}</code>
      ${behind > 0 ? html` <a href="${hrefOf('runs', 'new')}?tenants=${slug}">${counted(behind, 'migration')} behind</a>` : html` <span class="muted">current</span>`}</dd></div>
    <div><dt>Isolation</dt><dd>${isolation === 'SCHEMA' ? 'Own schema' : 'Own database'}</dd></div>
    <div><dt>Server</dt><dd>${placement.server}</dd></div>
    <div><dt>Database</dt><dd><code>${placement.database}</code></dd></div>
    <div><dt>Schema</dt><dd><code>${placement.schema}</code></dd></div>
    <div><dt>Size</dt><dd>${usage ? html`${size(usage.databaseBytes)}, about ${counted(usage.rows, 'row')}, ${counted(usage.files, 'file')} <span class="muted">measured <time datetime=${usage.measuredAt} title=${usage.measuredAt}>${ago(usage.measuredAt)}</time></span>` : html`<span class="muted">not measured yet</span>`}</dd></div>
    <div><dt>Last request</dt><dd>${usage?.lastRequestAt ? html`<${Time} at=${usage.lastRequestAt} />` : html`<span class="muted">none</span>`}</dd></div>
    <div><dt>Created</dt><dd><${Time} at=${createdAt} /></dd></div>
    <div><dt>Id</dt><dd><code>${id}</code></dd></div>
  </dl>`;
}
