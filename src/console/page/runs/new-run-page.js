import { ApiContext } from '../api/context.js';
import { useQuery } from '../api/use-query.js';
import { html } from '../html.js';
import { Confirm } from '../parts/confirm.js';
import { counted } from '../parts/format.js';
import { ProblemNote } from '../parts/problem-note.js';
import { goTo } from '../routes.js';
import { useContext, useState } from '../vendor/hooks.js';
import { PlanView } from './plan-view.js';
import { RunForm } from './run-form.js';

/** @import { Plan, RunInput } from '../types.d.ts' */

/**
 * Starts a run, after showing what it will do.
 * @param {{ params: URLSearchParams }} props
 */
export function NewRunPage({ params }) {
  const [input, setInput] = useState(/** @type {RunInput | undefined} */ (undefined));
  const planned = input && { input: { tenants: input.tenants, to: input.to } };
  const { data, problem, isLoading } = useQuery('plan', planned ?? {}, { skip: !planned });
  const [isAsking, setIsAsking] = useState(false);
  const api = useContext(ApiContext);
  const plan = data?.migrationPlan;
  const pending = plan ? plan.totalCount - plan.upToDateCount : 0;
  return html`
    <h1 tabindex="-1">New run</h1>
    <${RunForm} tenants=${params.get('tenants') ?? ''} onPlan=${setInput} onChange=${() => setInput(undefined)} />
    <${ProblemNote} problem=${problem} />
    ${planned && isLoading && html`<p class="muted" role="status">Planning …</p>`}
    ${
      input &&
      plan &&
      html`<${PlanView} plan=${plan} />
      <div class="plan-buttons"><button type="button" class="primary" disabled=${pending === 0} onClick=${() => setIsAsking(true)}>
        ${input.dryRun ? 'Start the dry run …' : 'Start the run …'}</button></div>`
    }
    ${
      isAsking &&
      input &&
      plan &&
      html`<${Confirm} title=${input.dryRun ? 'Start this dry run?' : 'Start this run?'} confirm="Start" onClose=${() => setIsAsking(false)}
        onConfirm=${async () => goTo('runs', (await api.ask('startRun', { input })).runMigrations.id)}>
      <p>${whatHappens(input, plan, pending)}</p>
      <ul>${plan.migrations.map(({ name }) => html`<li key=${name}><code>${name}</code></li>`)}</ul>
    <//>`
    }`;
}

/**
 * @param {RunInput} input
 * @param {Plan} plan
 * @param {number} pending
 */
function whatHappens({ dryRun, waves, maxFailures }, { migrations }, pending) {
  const what = `${counted(migrations.length, 'migration')} in ${counted(pending, 'tenant')}`;
  const how = dryRun ? `tries ${what} and rolls each back` : `applies ${what}`;
  const inWaves = waves ? `, in waves of ${waves.join(', ')}` : '';
  const limit = maxFailures === undefined ? '' : `, and stops after more than ${counted(maxFailures, 'failure')}`;
  return `This ${how}${inWaves}${limit}.`;
}
