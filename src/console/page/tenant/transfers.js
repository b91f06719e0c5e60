import { ApiContext } from '../api/context.js';
import { useQuery } from '../api/use-query.js';
import { html } from '../html.js';
import { count, duration, Status, size, Time, word } from '../parts/format.js';
import { ProblemNote } from '../parts/problem-note.js';
import { Table } from '../parts/table.js';
import { useAction } from '../parts/use-action.js';
import { hrefOf } from '../routes.js';
import { useContext } from '../vendor/hooks.js';

/** @import { Transfer } from './types.d.ts' */

/**
 * The latest transfers of a tenant, with the progress of those that have not ended.
 * @param {{ id: string }} props
 */
export function Transfers({ id }) {
  const api = useContext(ApiContext);
  const { data, problem, reload } = useQuery('transfers', { id }, { every: 2_000 });
  const { run, isBusy, problem: refusal } = useAction();
  const transfers = data?.tenantTransfers?.nodes ?? [];
  if (transfers.length === 0) return html`<${ProblemNote} problem=${problem} />`;
  const act = (/** @type {'cancelTransfer' | 'resumeTransfer'} */ action, /** @type {string} */ transfer) =>
    run(async () => {
      await api.ask(action, { id: transfer });
      reload();
    });
  return html`<section aria-labelledby="transfers"><h2 id="transfers">Moves, clones and imports</h2>
    <${ProblemNote} problem=${problem ?? refusal} />
    <${Table} caption="Moves, clones and imports, the latest first" columns=${['Transfer', 'Status', 'Rows', 'Size', 'Begun', 'Paused', 'Error', 'Actions']}>
      ${transfers.map((transfer) => row(transfer, isBusy ? undefined : act))}<//>
  </section>`;
}

/**
 * @param {Transfer} transfer
 * @param {((action: 'cancelTransfer' | 'resumeTransfer', transfer: string) => void) | undefined} act undefined while another one acts
 */
function row(transfer, act) {
  const { id, kind, status, tenant, bytesCopied, createdAt, pausedMs, error } = transfer;
  const canCancel = ['PENDING', 'COPYING', 'CATCHING_UP'].includes(status);
  const canResume = ['FAILED', 'CANCELLED'].includes(status) && kind !== 'IMPORT';
  const what = `${word(kind)} of ${tenant.slug}`;
  return html`<tr key=${id}>
    <th scope="row">${word(kind)} <a href=${hrefOf('tenants', tenant.id)}>${tenant.slug}</a> ${wayOf(transfer)}</th>
    <td><${Status} value=${status} /></td>
    <td class="number">${rowsOf(transfer)}</td>
    <td class="number">${bytesCopied === 0 ? '–' : size(bytesCopied)}</td>
    <td><${Time} at=${createdAt} /></td>
    <td class="number">${pausedMs === null ? '–' : duration(pausedMs)}</td>
    <td class="text">${error}</td>
    <td>${canCancel && html`<button type="button" aria-label="Cancel ${what}" disabled=${!act} onClick=${() => act?.('cancelTransfer', id)}>Cancel</button>`}
      ${canResume && html`<button type="button" aria-label="Start ${what} over" disabled=${!act} onClick=${() => act?.('resumeTransfer', id)}>Start over</button>`}</td>
  </tr>`;
}

/**
 * From where to where, as far as it changes.
 * @param {Transfer} transfer
 */
function wayOf({ kind, from, to }) {
  const changesIsolation = from !== null && isolationOf(from) !== isolationOf(to);
  if (kind === 'MOVE' && from && changesIsolation) {
    const server = from.server === to.server ? `on ${to.server}` : `from ${from.server} to ${to.server}`;
    return `from ${isolationOf(from)} to ${isolationOf(to)} ${server}`;
  }
  if (kind === 'MOVE' && from) return `from ${from.server} to ${to.server}`;
  return `on ${to.server}, with ${isolationOf(to)}`;
}

/** @param {{ schema: string }} place */
function isolationOf({ schema }) {
  // Only in a database of its own, a tenant's tables are in the schema that every database has.
  return schema === 'public' ? 'its own database' : 'its own schema';
}

/** @param {Transfer} transfer */
function rowsOf({ status, rowsCopied, rowsTotal }) {
  // Nobody counts the rows of a database that is copied as a whole.
  if (rowsTotal === null) return '–';
  const isExact = !['PENDING', 'COPYING'].includes(status) || rowsTotal <= rowsCopied;
  return isExact ? count(rowsCopied) : `${count(rowsCopied)} of about ${count(Number(rowsTotal.toPrecision(2)))}`;
}
