import { useQuery } from '../api/use-query.js';
import { html } from '../html.js';
import { ProblemNote } from '../parts/problem-note.js';

/** @import { RunInput } from '../types.d.ts' */

/**
 * Asks which tenants to migrate, how far and in which steps.
 * @param {object} props
 * @param {string} props.tenants slugs to start with
 * @param {(input: RunInput) => void} props.onPlan
 * @param {() => void} props.onChange called when a plan is outdated
 */
export function RunForm({ tenants, onPlan, onChange }) {
  const { data, problem } = useQuery('migrations', {});
  const names = data?.migrations.map(({ name }) => name).toReversed() ?? [];
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    // Only the form has this listener.
    onPlan(inputOf(new FormData(/** @type {HTMLFormElement} */ (event.currentTarget))));
  };
  return html`<${ProblemNote} problem=${problem} />
    <form class="grid" onSubmit=${submit} onInput=${onChange}>
      <label class="field wide">Tenants <span class="muted">slugs, separated by spaces; empty for all</span>
        <input name="tenants" defaultValue=${tenants} autocomplete="off" spellcheck=${false} /></label>
      <label class="field">Up to migration
        <select name="to"><option value="">The newest</option>${names.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}</select></label>
      <label class="field">Waves <span class="muted">such as 1, 10%, 100%</span>
        <input name="waves" autocomplete="off" spellcheck=${false} /></label>
      <label class="field">Canaries <span class="muted">slugs to migrate first</span>
        <input name="canaries" autocomplete="off" spellcheck=${false} /></label>
      <label class="field">Stop after more failures than<input name="maxFailures" type="number" min="0" /></label>
      <label class="field">Tenants at once<input name="concurrency" type="number" min="1" placeholder="by the setting" /></label>
      <label class="check"><input name="dryRun" type="checkbox" /> Dry run: roll each tenant back</label>
      <div class="buttons wide"><button type="submit">Show the plan</button></div>
    </form>`;
}

/**
 * @param {FormData} form
 * @returns {RunInput}
 */
function inputOf(form) {
  const text = (/** @type {string} */ name) => String(form.get(name) ?? '').trim();
  const list = (/** @type {string} */ name) =>
    text(name)
      .split(/[\s,]+/)
      .filter(Boolean);
  const [tenants, canaries, waves] = [list('tenants'), list('canaries'), list('waves')];
  const number = (/** @type {string} */ name) => (text(name) === '' ? undefined : Number(text(name)));
  const [maxFailures, concurrency] = [number('maxFailures'), number('concurrency')];
  return {
    ...(tenants.length > 0 && { tenants }),
    ...(text('to') && { to: text('to') }),
    ...(waves.length > 0 && { waves }),
    ...(canaries.length > 0 && { canaries }),
    ...(maxFailures !== undefined && { maxFailures }),
    ...(concurrency !== undefined && { concurrency }),
    ...(form.has('dryRun') && { dryRun: true }),
  };
}
