import { ApiContext } from '../api/context.js';
import { useQuery } from '../api/use-query.js';
import { html } from '../html.js';
import { count, duration, Status, Time, word } from '../parts/format.js';
import { ProblemNote } from '../parts/problem-note.js';
import { Table } from '../parts/table.js';
import { useAction } from '../parts/use-action.js';
import { hrefOf } from '../routes.js';
import { useContext } from '../vendor/hooks.js';

/** @import { Transfer } from './types.d.ts' */

/**
 * The latest moves and clones of a tenant, with the progress of those that have not ended.
 * @param {{ id: string }} props
 */
export function Transfers({ id }) {
  const api = useContext(ApiContext);
  const { data, problem, reload } = useQuery('transfers', { id }, { every: 2_000 });
  const { run, isBusy, problem: refusal } = useAction();
  const transfers = data?.tenantTransfers?.nodes ?? [];
  if (transfers.length === 0) return html`<${ProblemNote} problem=${problem} />`;
  const cancel = (/** @type {string} */ transfer) =>
    run(async () => {
      await api.ask('cancelTransfer', { id: transfer });
      reload();
    });
  return html`<section aria-labelledby="transfers"><h2 id="transfers">Moves and clones</h2>
    <${ProblemNote} problem=${problem ?? refusal} />
    <${Table} caption="Moves and clones, the latest first" columns=${['Transfer', 'Status', 'Rows', 'Begun', 'Paused', 'Error', 'Actions']}>
      ${transfers.map((transfer) => row(transfer, isBusy ? undefined : cancel))}<//>
  </section>`;
}

/**
 * @param {Transfer} transfer
 * @param {((transfer: string) => void) | undefined} cancel undefined while another one is being cancelled
 */
function row({ id, kind, status, tenant, to, rowsCopied, rowsTotal, createdAt, pausedMs, error }, cancel) {
  const canCancel = ['PENDING', 'COPYING', 'CATCHING_UP'].includes(status);
  return html`<tr key=${id}>
    <th scope="row">${word(kind)} <a href=${hrefOf('tenants', tenant.id)}>${tenant.slug}</a> to ${to.server}</th>
    <td><${Status} value=${status} /></td>
    <td class="number">${count(rowsCopied)}${rowsTotal === null ? '' : ` of ${count(Math.max(rowsTotal, rowsCopied))}`}</td>
    <td><${Time} at=${createdAt} /></td>
    <td class="number">${pausedMs === null ? '–' : duration(pausedMs)}</td>
    <td class="text">${error}</td>
    <td>${canCancel && html`<button type="button" aria-label="Cancel ${word(kind)} of ${tenant.slug}" disabled=${!cancel} onClick=${() => cancel?.(id)}>Cancel</button>`}</td>
  </tr>`;
}
