import { ApiContext } from '../api/context.js';
import { useQuery } from '../api/use-query.js';
import { html } from '../html.js';
import { Confirm } from '../parts/confirm.js';
import { size, Time } from '../parts/format.js';
import { ProblemNote } from '../parts/problem-note.js';
import { Table } from '../parts/table.js';
import { useContext, useState } from '../vendor/hooks.js';

/** @import { Tenant } from '../types.d.ts' */
/** @import { Checkpoint } from './types.d.ts' */
/** @typedef {{ kind: 'create' } | { kind: 'restore' | 'delete', checkpoint: Checkpoint }} Choice */

/**
 * The copies to which the tenant can be restored.
 * @param {{ tenant: Tenant }} props
 */
export function Checkpoints({ tenant: { id, slug, isolation } }) {
  const api = useContext(ApiContext);
  const { data, problem, reload } = useQuery('checkpoints', { id });
  const [choice, setChoice] = useState(/** @type {Choice | undefined} */ (undefined));
  const close = () => setChoice(undefined);
  const act = (/** @type {() => Promise<unknown>} */ work) => async () => {
    await work();
    reload();
  };
  return html`<section aria-labelledby="checkpoints">
    <div class="heading"><h2 id="checkpoints">Checkpoints</h2>
      <div class="buttons"><button type="button" onClick=${() => setChoice({ kind: 'create' })}>Create …</button></div></div>
    <${ProblemNote} problem=${problem} />
    ${
      data &&
      html`<${Table} caption="Checkpoints" columns=${['Name', 'Created', 'Version', 'Size', 'Actions']} empty="There are none.">
      ${data.checkpoints.map((checkpoint) => row(checkpoint, setChoice))}<//>`
    }
    ${
      choice?.kind === 'create' &&
      html`<${Confirm} title="Create a checkpoint of ${slug}?" confirm="Create" onClose=${close}
        onConfirm=${act(() => api.ask('createCheckpoint', { id }))}>
      <p>${
        isolation === 'DATABASE'
          ? 'The database is copied. Until the copy is done, requests to the tenant have to wait or are refused with TENANT_BUSY.'
          : 'The schema is copied while the tenant is served.'
      } The oldest checkpoint is deleted if there are too many.</p><//>`
    }
    ${
      choice?.kind === 'restore' &&
      html`<${Confirm} title="Restore ${slug}?" confirm="Restore" isDanger onClose=${close}
        onConfirm=${act(() => api.ask('restoreCheckpoint', { id: choice.checkpoint.id, acceptDataLoss: true }))}>
      <p>${slug} is restored to ${choice.checkpoint.name}, of <${Time} at=${choice.checkpoint.createdAt} />. All that was written since then is lost.</p><//>`
    }
    ${
      choice?.kind === 'delete' &&
      html`<${Confirm} title="Delete this checkpoint?" confirm="Delete" isDanger onClose=${close}
        onConfirm=${act(() => api.ask('deleteCheckpoint', { id: choice.checkpoint.id }))}>
      <p>${slug} stays as it is, and can no longer be restored to ${choice.checkpoint.name}.</p><//>`
    }
  </section>`;
}

/**
 * @param {Checkpoint} checkpoint
 * @param {(choice: Choice) => void} choose
 */
function row(checkpoint, choose) {
  const { id, name, createdAt, version, sizeBytes, kind } = checkpoint;
  return html`<tr key=${id}>
    <th scope="row">${name}</th>
    <td><${Time} at=${createdAt} /></td>
    <td><code>${version}</code></td>
    <td class="number">${size(sizeBytes)}</td>
    <td><div class="buttons">
      ${kind === 'SNAPSHOT' && html`<button type="button" aria-label="Restore ${name}" onClick=${() => choose({ kind: 'restore', checkpoint })}>Restore …</button>`}
      <button type="button" aria-label="Delete ${name}" onClick=${() => choose({ kind: 'delete', checkpoint })}>Delete …</button>
    </div></td>
  </tr>`;
}
