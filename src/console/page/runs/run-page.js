import { html } from '../html.js';
import { counted, duration, Status, Time } from '../parts/format.js';
import { ProblemNote } from '../parts/problem-note.js';
import { RunButtons } from './run-buttons.js';
import { RunEvents } from './run-events.js';
import { RunFailures } from './run-failures.js';
import { RunItems } from './run-items.js';
import { RunProgress } from './run-progress.js';
import { RunWaves } from './run-waves.js';
import { kindNames } from './runs-page.js';
import { isActive, useRun } from './use-run.js';

/** @import { RunDetails } from '../types.d.ts' */

/** @param {{ id: string }} props */
export function RunPage({ id }) {
  const { run, events, problem, isLoading, reload } = useRun(id);
  return html`
    <div class="heading">
      <h1 tabindex="-1">${run ? `${kindNames[run.kind]}${run.dryRun ? ', dry run' : ''}` : 'Run'}</h1>
      ${run && html`<${Status} value=${run.status} /><${RunButtons} run=${run} reload=${reload} />`}
    </div>
    <${ProblemNote} problem=${problem} />
    ${isLoading && html`<p class="muted">One moment …</p>`}
    ${run === null && html`<p>There is no such run. It may belong to another installation.</p>`}
    ${
      run &&
      html`
      <${RunProgress} run=${run} event=${events[0]} isActive=${isActive(run)} />
      <${Facts} run=${run} />
      <${RunWaves} waves=${run.waveStatus} />
      <${RunFailures} groups=${run.failures} />
      <${RunItems} run=${run} />
      <${RunEvents} events=${events} />`
    }`;
}

/** @param {{ run: RunDetails }} props */
function Facts({ run }) {
  const { startedAt, endedAt, changes, kind } = run;
  const took = startedAt && endedAt ? duration(Date.parse(endedAt) - Date.parse(startedAt)) : undefined;
  return html`<dl class="facts">
    <div><dt>Started</dt><dd><${Time} at=${startedAt} /></dd></div>
    <div><dt>Ended</dt><dd><${Time} at=${endedAt} />${took && ` after ${took}`}</dd></div>
    <div><dt>Restore point</dt><dd><code>${run.checkpoint}</code></dd></div>
    ${
      changes.length > 0 &&
      html`<div><dt>${run.dryRun ? 'Tried' : kind === 'UP' ? 'Applied' : 'Reverted'}</dt>
      <dd>${changes.map(({ migration, tenants }) => html`<div key=${migration}><code>${migration}</code> in ${counted(tenants, 'tenant')}</div>`)}</dd></div>`
    }
    <div><dt>Id</dt><dd><code>${run.id}</code></dd></div>
  </dl>`;
}
