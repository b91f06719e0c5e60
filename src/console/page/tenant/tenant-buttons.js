import { ApiContext } from '../api/context.js';
import { html } from '../html.js';
import { Confirm } from '../parts/confirm.js';
import { useContext, useState } from '../vendor/hooks.js';
import { DeleteDialog, UndeleteDialog } from './delete-dialogs.js';
import { ResolveDialog } from './resolve-dialog.js';
import { CloneDialog, MoveDialog } from './transfer-dialogs.js';

/** @import { Tenant } from '../types.d.ts' */

/** The statuses in which a tenant can be deleted. */
const settled = ['ACTIVE', 'SUSPENDED', 'NEEDS_ATTENTION'];

/** The statuses in which a tenant can be moved and cloned. */
const movable = ['ACTIVE', 'SUSPENDED'];

/**
 * What can be done with a tenant in its status.
 * @param {{ tenant: Tenant, reload: () => void }} props
 */
export function TenantButtons({ tenant, reload }) {
  const { id, slug, status } = tenant;
  const [choice, setChoice] = useState(
    /** @type {'suspend' | 'activate' | 'resolve' | 'move' | 'clone' | 'delete' | 'purge' | 'undelete' | undefined} */ (
      undefined
    ),
  );
  const api = useContext(ApiContext);
  const close = () => setChoice(undefined);
  const dialogs = {
    suspend: () => html`<${Confirm} title="Suspend ${slug}?" confirm="Suspend" isDanger onClose=${close}
        onConfirm=${async () => {
          await api.ask('suspend', { id });
          reload();
        }}>
      <p>Its members' requests are refused with TENANT_SUSPENDED, and its subscriptions end. Its data stays, and runs still migrate it.</p>
    <//>`,
    activate: () => html`<${Confirm} title="Activate ${slug}?" confirm="Activate" onClose=${close}
        onConfirm=${async () => {
          await api.ask('activate', { id });
          reload();
        }}>
      <p>Its members' requests are served again.</p>
    <//>`,
    move: () => html`<${MoveDialog} tenant=${tenant} onDone=${reload} onClose=${close} />`,
    clone: () => html`<${CloneDialog} tenant=${tenant} onDone=${reload} onClose=${close} />`,
    delete: () => html`<${DeleteDialog} tenant=${tenant} isForGood=${false} onDone=${reload} onClose=${close} />`,
    purge: () => html`<${DeleteDialog} tenant=${tenant} isForGood onDone=${reload} onClose=${close} />`,
    undelete: () => html`<${UndeleteDialog} tenant=${tenant} onDone=${reload} onClose=${close} />`,
    resolve: () =>
      html`<${ResolveDialog} id=${id} slug=${slug} onClose=${() => {
        close();
        reload();
      }} />`,
  };
  return html`<div class="buttons">
    ${status === 'ACTIVE' && html`<button type="button" onClick=${() => setChoice('suspend')}>Suspend …</button>`}
    ${status === 'SUSPENDED' && html`<button type="button" onClick=${() => setChoice('activate')}>Activate …</button>`}
    ${status === 'NEEDS_ATTENTION' && html`<button type="button" onClick=${() => setChoice('resolve')}>Resolve …</button>`}
    ${
      movable.includes(status) &&
      html`<button type="button" onClick=${() => setChoice('move')}>Move …</button>
    <button type="button" onClick=${() => setChoice('clone')}>Clone …</button>`
    }
    ${settled.includes(status) && html`<button type="button" onClick=${() => setChoice('delete')}>Delete …</button>`}
    ${
      status === 'DELETED' &&
      html`<button type="button" onClick=${() => setChoice('undelete')}>Bring back …</button>
    <button type="button" onClick=${() => setChoice('purge')}>Remove for good …</button>`
    }
    ${choice && dialogs[choice]()}
  </div>`;
}
