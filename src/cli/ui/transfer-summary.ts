import type { TenantTransfer } from '../../catalog/entities/tenant-transfer.entity.ts';
import { countText, durationText, estimateText, sizeText } from '../../lib/quantities.ts';
import type { ListedTransfer } from '../../transfers/list.ts';
import type { Column } from './table.ts';

/** The transfer for `--json`. */
export function summaryOf(transfer: TenantTransfer) {
  const { id, kind, status, slug, sourceSlug, fromServer, fromIsolation, toServer, toIsolation, toDatabase, toSchema } =
    transfer;
  const { online, rowsCopied, bytesCopied, pausedMs, error, createdAt, endedAt } = transfer;
  return {
    transfer: id,
    kind,
    status,
    tenant: slug,
    source: sourceSlug ?? null,
    from: fromServer == null ? null : { server: fromServer, isolation: fromIsolation, node: transfer.fromNode ?? null },
    to: {
      server: toServer,
      isolation: toIsolation,
      database: toDatabase,
      schema: toSchema,
      node: transfer.toNode ?? null,
    },
    online,
    // Of a database that was copied by template, nobody counts the rows.
    rowsCopied: transfer.rowsTotal == null && rowsCopied === 0 ? null : rowsCopied,
    bytesCopied,
    pausedMs: pausedMs ?? null,
    error: error ?? null,
    createdAt: createdAt.toISOString(),
    endedAt: endedAt?.toISOString() ?? null,
  };
}

/** Says how a transfer has ended. */
export function describeTransfer(transfer: TenantTransfer): string {
  const { id, kind, status, slug, toServer, toDatabase, toSchema, pausedMs, error, keepHours } = transfer;
  if (status !== 'SUCCEEDED') {
    const why = error == null ? '.' : `: ${error.replace(/\.$/, '')}.`;
    const left =
      kind === 'CLONE' || kind === 'IMPORT' ? 'Nothing is left of it' : `${slug} is unchanged and stays where it is`;
    const again = kind === 'IMPORT' ? '' : ` To start it over: tenantry tenant resume ${id}`;
    return `The transfer is ${status}${why} ${left}.${again}`;
  }
  if (transfer.toNode != null)
    return `The tenant ${slug} is now on the node ${transfer.toNode} of the server ${toServer}.`;
  const place = `on the server ${toServer}: database ${toDatabase}, schema ${toSchema}`;
  if (kind === 'CLONE' || kind === 'IMPORT') return `Created the tenant ${slug} ${place}.`;
  const paused = pausedMs == null ? '' : ` It was paused for ${durationText(pausedMs)}.`;
  const kept = keepHours === 0 ? '' : ` The old place is kept for ${keepHours} h.`;
  return `The tenant ${slug} is now ${place}.${paused}${kept}`;
}

/** Says what an open transfer does and how far it is, on one line. */
export function transferLine({ transfer, isUnclaimed }: ListedTransfer): string {
  const { id, kind, slug, error } = transfer;
  const facts = [
    ...(transfer.rowsTotal == null ? [] : [`${rowsOf(transfer)} rows`]),
    ...(transfer.bytesCopied > 0 ? [sizeText(transfer.bytesCopied)] : []),
    ...(error == null ? [] : [`the last attempt failed: ${error}`]),
  ];
  return `${kind} of ${slug} ${id} ${statusOf({ transfer, isUnclaimed })}${facts.length > 0 ? `: ${facts.join(', ')}` : ''}`;
}

/** The columns of a list of transfers. */
export const transferColumns: readonly Column<ListedTransfer>[] = [
  { title: 'TRANSFER', value: ({ transfer }) => transfer.id },
  { title: 'KIND', value: ({ transfer: { kind, online } }) => `${kind}${online ? ' (online)' : ''}` },
  { title: 'TENANT', value: ({ transfer: { slug } }) => slug },
  { title: 'STATUS', value: statusOf },
  { title: 'FROM', value: ({ transfer }) => sourceOf(transfer) },
  {
    title: 'TO',
    value: ({ transfer: { toServer, toIsolation, toNode } }) => `${toServer}, ${toNode ?? toIsolation.toLowerCase()}`,
  },
  { title: 'ROWS', value: ({ transfer }) => rowsOf(transfer) },
  { title: 'SIZE', value: ({ transfer: { bytesCopied } }) => (bytesCopied > 0 ? sizeText(bytesCopied) : null) },
  { title: 'BEGUN', value: ({ transfer: { createdAt } }) => createdAt.toISOString().slice(0, 19) },
  {
    title: 'TOOK',
    value: ({ transfer: { createdAt, endedAt } }) => endedAt && durationText(endedAt.getTime() - createdAt.getTime()),
  },
  { title: 'ERROR', value: ({ transfer: { error } }) => error },
];

function statusOf({ transfer: { status, cancelRequested, endedAt, notBefore }, isUnclaimed }: ListedTransfer): string {
  if (isUnclaimed) return `${status} (no process)`;
  if (endedAt != null) return status;
  if (cancelRequested) return `${status} (cancelling)`;
  const waitMs = (notBefore?.getTime() ?? 0) - Date.now();
  return waitMs > 0 ? `${status} (again in ${durationText(waitMs)})` : status;
}

function sourceOf({ kind, sourceSlug, fromServer, fromIsolation }: TenantTransfer): string | null {
  if (kind === 'CLONE') return sourceSlug ?? null;
  return fromServer == null ? null : `${fromServer}, ${fromIsolation?.toLowerCase()}`;
}

/** The rows so far. Nobody counts those of a database that is copied as a whole. */
function rowsOf({ rowsCopied, rowsTotal, status }: TenantTransfer): string | null {
  if (rowsTotal == null) return null;
  const isExact = status !== 'PENDING' && status !== 'COPYING';
  return isExact || rowsTotal <= rowsCopied
    ? countText(rowsCopied)
    : `${countText(rowsCopied)} of ${estimateText(rowsTotal)}`;
}
