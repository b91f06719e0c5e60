import { ApiContext } from '../api/context.js';
import { html } from '../html.js';
import { Confirm } from '../parts/confirm.js';
import { counted } from '../parts/format.js';
import { goTo } from '../routes.js';
import { useContext, useState } from '../vendor/hooks.js';
import { isActive } from './use-run.js';

/** @import { RunDetails } from '../types.d.ts' */
/** @typedef {'cancel' | 'resume' | 'undo'} Choice */

/**
 * What can be done with a run.
 * @param {{ run: RunDetails, reload: () => void }} props
 */
export function RunButtons({ run, reload }) {
  const [choice, setChoice] = useState(/** @type {Choice | undefined} */ (undefined));
  const api = useContext(ApiContext);
  const { id } = run;
  const close = () => setChoice(undefined);
  const dialogs = {
    cancel: () => html`<${Confirm} title="Cancel this run?" confirm="Cancel the run" isDanger onClose=${close}
        onConfirm=${async () => {
          await api.ask('cancelRun', { id });
          reload();
        }}>
      <p>No more tenants are started: ${counted(run.pending, 'tenant')} at most stay as they are.
        Those in progress finish or are rolled back. The ${counted(run.succeeded, 'tenant')} that succeeded keep their changes.</p>
    <//>`,
    resume: () => html`<${Confirm} title="Resume this run?" confirm="Resume the run" onClose=${close}
        onConfirm=${async () => {
          await api.ask('resumeRun', { id });
          reload();
        }}>
      <p>${counted(run.failed + run.cancelled + run.pending, 'tenant')} that failed or were not started are tried again, with the migration files as they are now.</p>
    <//>`,
    undo: () => html`<${Confirm} title="Undo this run?" confirm="Undo the run" isDanger onClose=${close}
        onConfirm=${async () => goTo('runs', (await api.ask('undoRun', { id })).undoMigrationRun.id)}>
      <p>A new run reverts what this one applied, where tenants still have it. Data that tenants have stored in what these migrations added is lost.</p>
      <${Changes} run=${run} />
    <//>`,
  };
  const canResume = ['FAILED', 'HALTED', 'CANCELLED'].includes(run.status);
  const canUndo = !isActive(run) && run.kind === 'UP' && !run.dryRun && run.changes.length > 0;
  return html`<div class="buttons">
    ${isActive(run) && button('Cancel …', () => setChoice('cancel'))}
    ${canResume && button('Resume …', () => setChoice('resume'))}
    ${canUndo && button('Undo …', () => setChoice('undo'))}
    ${choice && dialogs[choice]()}
  </div>`;
}

/**
 * @param {string} name
 * @param {() => void} onClick
 */
function button(name, onClick) {
  return html`<button type="button" key=${name} onClick=${onClick}>${name}</button>`;
}

/** @param {{ run: RunDetails }} props */
function Changes({ run }) {
  return html`<ul>${run.changes.map(
    ({ migration, tenants }) =>
      html`<li key=${migration}><code>${migration}</code> in ${counted(tenants, 'tenant')}</li>`,
  )}</ul>`;
}
