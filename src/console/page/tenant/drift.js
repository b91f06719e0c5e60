import { useQuery } from '../api/use-query.js';
import { html } from '../html.js';
import { ProblemNote } from '../parts/problem-note.js';
import { useState } from '../vendor/hooks.js';

/**
 * Compares the tenant's tables with the entities, when somebody asks for it: it opens a connection to the tenant.
 * @param {{ id: string }} props
 */
export function Drift({ id }) {
  const [isAsked, setIsAsked] = useState(false);
  const { data, problem, isLoading, reload } = useQuery('drift', { id }, { skip: !isAsked });
  const drift = data?.tenant?.drift;
  const check = () => (isAsked ? reload() : setIsAsked(true));
  return html`<section aria-labelledby="drift">
    <div class="heading"><h2 id="drift">Drift</h2>
      <div class="buttons"><button type="button" disabled=${isLoading} onClick=${check}>Check now</button></div></div>
    <${ProblemNote} problem=${problem} />
    <div role="status">
      ${!isAsked && html`<p class="muted">Whether the tables match the entities.</p>`}
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
