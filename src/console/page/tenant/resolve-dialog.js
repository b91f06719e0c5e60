import { ApiContext } from '../api/context.js';
import { html } from '../html.js';
import { useModal } from '../parts/confirm.js';
import { ProblemNote } from '../parts/problem-note.js';
import { useAction } from '../parts/use-action.js';
import { useContext, useState } from '../vendor/hooks.js';

/** @import { Resolution } from './types.d.ts' */

/**
 * Checks a tenant that needs attention, and has it served again if it may be.
 * @param {{ id: string, slug: string, onClose: () => void }} props
 */
export function ResolveDialog({ id, slug, onClose }) {
  const api = useContext(ApiContext);
  const dialog = useModal();
  const action = useAction();
  const [result, setResult] = useState(/** @type {Resolution | undefined} */ (undefined));
  const resolve = (/** @type {boolean} */ force) =>
    action.run(async () => setResult((await api.ask('resolve', { id, force })).resolveTenant));
  const hasProblems = result !== undefined && !result.resolved && result.problems.length > 0;
  return html`<dialog ref=${dialog} aria-labelledby="resolve-title" onClose=${onClose}>
    <h2 id="resolve-title">Resolve ${slug}</h2>
    <p>This compares the tenant's history with its tables. If nothing is wrong, the tenant gets its former status back.</p>
    <${ProblemNote} problem=${action.problem} />
    ${
      result &&
      html`<div role="status"><p><strong>${result.resolved ? 'It is served again.' : 'It still needs attention.'}</strong></p>
      ${result.lastFailure && html`<p>The last failure: ${result.lastFailure}</p>`}
      <ul>${result.problems.map((problem) => html`<li key=${problem}>${problem}</li>`)}</ul></div>`
    }
    ${hasProblems && html`<p>Serve it in spite of these problems only if you know that its data is right.</p>`}
    <div class="buttons end">
      <button type="button" onClick=${onClose}>Close</button>
      ${hasProblems && html`<button type="button" class="danger" disabled=${action.isBusy} onClick=${() => resolve(true)}>Serve it anyway</button>`}
      ${!result?.resolved && html`<button type="button" class="primary" disabled=${action.isBusy} onClick=${() => resolve(false)}>Check</button>`}
    </div>
  </dialog>`;
}
