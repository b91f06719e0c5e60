import { useQuery } from '../api/use-query.js';
import { html } from '../html.js';
import { counted, Time } from '../parts/format.js';
import { ProblemNote } from '../parts/problem-note.js';
import { useState } from '../vendor/hooks.js';

/** @import { DriftCheck } from '../checks/types.d.ts' */

/**
 * Compares the tenant's tables with the entities, when somebody asks for it: it opens a connection to the tenant.
 * @param {{ id: string }} props
 */
export function Drift({ id }) {
  const [isAsked, setIsAsked] = useState(false);
  const last = useQuery('driftCheck', { id }).data?.tenant?.driftCheck;
  const { data, problem, isLoading, reload } = useQuery('drift', { id }, { skip: !isAsked });
  const drift = data?.tenant?.drift;
  const check = () => (isAsked ? reload() : setIsAsked(true));
  return html`<section aria-labelledby="drift">
    <div class="heading"><h2 id="drift">Drift</h2>
      <div class="buttons"><button type="button" disabled=${isLoading} onClick=${check}>Check now</button></div></div>
    <${ProblemNote} problem=${problem} />
    <div role="status">
      ${!isAsked && (last ? html`<${LastCheck} check=${last} />` : html`<p class="muted">Whether the tables match the entities.</p>`)}
      ${isLoading && html`<p class="muted">Comparing …</p>`}
      ${drift?.isClean && html`<p>The tables match the entities.</p>`}
      ${
        drift &&
        !drift.isClean &&
        html`<p>These statements would make the tables match the entities. They may drop what no entity defines.</p>
        <pre>${drift.sql.join(';\n')};</pre>`
      }
    </div>
  </section>`;
}

/** @param {{ check: DriftCheck }} props */
function LastCheck({ check: { checkedAt, isClean, differences, error } }) {
  const found = isClean ? 'no difference' : counted(differences, 'difference');
  return html`<p>The last check of the fleet found ${found}, <${Time} at=${checkedAt} />.</p>
    ${error !== null && html`<p class="alarm">The check after it failed: ${error}</p>`}`;
}
