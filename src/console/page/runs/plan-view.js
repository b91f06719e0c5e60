import { html } from '../html.js';
import { count, counted } from '../parts/format.js';
import { Table } from '../parts/table.js';
import { hrefOf } from '../routes.js';

/** @import { Plan } from '../types.d.ts' */

/**
 * What a run would do. Nothing has been changed yet.
 * @param {{ plan: Plan }} props
 */
export function PlanView({ plan: { totalCount, upToDateCount, migrations, tenants } }) {
  const refused = tenants.filter(({ refusal }) => refusal);
  const pending = totalCount - upToDateCount;
  return html`<section aria-labelledby="plan"><h2 id="plan">Plan</h2>
    <p role="status">${counted(migrations.length, 'migration')} in <strong>${counted(pending, 'tenant')}</strong>;
      ${' '}${upToDateCount === 1 ? '1 is' : `${count(upToDateCount)} are`} current already.</p>
    <ul class="plan">${migrations.map(
      ({ name, kind, reversible, transactional, warnings }) => html`<li key=${name}>
        <p><code>${name}</code> <span class="muted">${[kind === 'BACKFILL' && 'backfill', !reversible && 'cannot be reverted', !transactional && 'not in one transaction'].filter(Boolean).join(', ')}</span></p>
        ${warnings.map(
          ({ severity, message, advice }) =>
            html`<p key=${message} class="warning" data-severity=${severity}><strong>${severity.toLowerCase()}</strong> ${message} <span class="muted">${advice}</span></p>`,
        )}
      </li>`,
    )}</ul>
    ${
      refused.length > 0 &&
      html`<h3>Tenants that cannot be migrated</h3>
      <${Table} caption="Tenants that cannot be migrated" columns=${['Tenant', 'Why']}>${refused.map(
        ({ tenant, refusal }) =>
          html`<tr key=${tenant.id}><th scope="row"><a href=${hrefOf('tenants', tenant.id)}>${tenant.slug}</a></th><td class="text">${refusal}</td></tr>`,
      )}<//>`
    }
  </section>`;
}
