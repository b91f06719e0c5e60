import { ApiContext } from '../api/context.js';
import { html } from '../html.js';
import { Confirm } from '../parts/confirm.js';
import { Time } from '../parts/format.js';
import { useContext, useState } from '../vendor/hooks.js';

/** @import { Tenant } from '../types.d.ts' */

/**
 * Asks before a tenant is deleted. For good, somebody must type its slug.
 * @param {{ tenant: Tenant, isForGood: boolean, onDone: () => void, onClose: () => void }} props
 */
export function DeleteDialog({ tenant: { id, slug }, isForGood, onDone, onClose }) {
  const api = useContext(ApiContext);
  const [typed, setTyped] = useState('');
  return html`<${Confirm} title=${isForGood ? `Remove ${slug} for good?` : `Delete ${slug}?`}
      confirm=${isForGood ? 'Remove for good' : 'Delete'} isDanger isDisabled=${typed !== slug} onClose=${onClose}
      onConfirm=${async () => {
        await api.ask('deleteTenant', { id, slug: typed, purge: isForGood });
        onDone();
      }}>
    <p>${
      isForGood
        ? 'All its data, files and checkpoints are removed. Nobody can bring it back.'
        : 'It is no longer served. It can be brought back until its time in the bin is over; its slug and host stay taken until then.'
    }</p>
    <label>Its slug, to confirm
      <input type="text" autocomplete="off" value=${typed} onInput=${(/** @type {{ target: HTMLInputElement }} */ { target }) => setTyped(target.value)} />
    </label>
  <//>`;
}

/**
 * Asks before a tenant is brought back from the bin.
 * @param {{ tenant: Tenant, onDone: () => void, onClose: () => void }} props
 */
export function UndeleteDialog({ tenant: { id, slug, behind }, onDone, onClose }) {
  const api = useContext(ApiContext);
  return html`<${Confirm} title="Bring ${slug} back?" confirm="Bring it back" onClose=${onClose}
      onConfirm=${async () => {
        await api.ask('undeleteTenant', { id });
        onDone();
      }}>
    <p>It gets the status again that it had.${behind > 0 && ` Before that, a run applies the ${behind === 1 ? 'migration' : `${behind} migrations`} that it lacks.`}</p>
  <//>`;
}

/**
 * Says that a tenant is in the bin.
 * @param {{ tenant: Tenant }} props
 */
export function BinNote({ tenant: { deletedAt, deletedBy, purgeAt } }) {
  return html`<p role="note">Deleted by ${deletedBy ?? 'somebody'}, <${Time} at=${deletedAt} />.
    It is removed for good after <${Time} at=${purgeAt} />.</p>`;
}
