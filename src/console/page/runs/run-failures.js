import { html } from '../html.js';
import { count, counted } from '../parts/format.js';
import { hrefOf } from '../routes.js';

/** @import { FailureGroup } from '../types.d.ts' */

/**
 * Why tenants failed, the most frequent reason first.
 * @param {{ groups: readonly FailureGroup[] }} props
 */
export function RunFailures({ groups }) {
  if (groups.length === 0) return null;
  return html`<section aria-labelledby="failures"><h2 id="failures">Failures</h2>
    <ol class="failures">${groups.map(
      ({
        error,
        code,
        migration,
        statement,
        count: tenants,
        tenants: some,
      }) => html`<li key=${`${code} ${migration} ${error}`}>
        <p><strong class="alarm">${counted(tenants, 'tenant')}</strong> ${migration && html`in <code>${migration}</code>`} ${code && html`<span class="code">${code}</span>`}</p>
        <p>${error}</p>
        ${statement && html`<pre>${statement}</pre>`}
        <p class="muted">${some.map(({ id, slug }) => html`<a key=${id} href=${hrefOf('tenants', id)}>${slug}</a> `)}
          ${tenants > some.length && `and ${count(tenants - some.length)} more`}</p>
      </li>`,
    )}</ol>
  </section>`;
}
