import type pg from 'pg';
import type { Catalog } from '../catalog/catalog.ts';
import { AppError } from '../lib/errors.ts';
import { EVENT_PAGE, type EventPage, followEvents } from '../postgres/follow-events.ts';
import type { Listener } from '../postgres/listener.ts';

/** The kinds of events of a transfer, with their descriptions. */
export const transferEventKinds = {
  CREATED: 'The transfer was created.',
  STARTED: 'A process began to work on it.',
  PAUSED: 'From now on, requests of the tenant are refused or wait.',
  TARGET_CREATED: 'The new database or schema has the tables.',
  COPYING: 'The progress of the copy, every second.',
  COPIED: 'All rows are copied, and the copy is proven to be equal to the source.',
  CATCHING_UP: 'What was written during the copy is copied too.',
  NEUTRALIZED: 'Addresses, names and the like are masked in the clone.',
  FILES_COPIED: 'The files that the modules keep outside of the database are copied.',
  SWITCHING: 'The tenant is switched to the new place. It can no longer be cancelled.',
  RETRYING: 'An attempt failed for a temporary reason, or its process ended. The transfer will start over.',
  CANCEL_REQUESTED: 'Somebody cancelled the transfer.',
  RESUMED: 'Somebody resumed the transfer. It starts over.',
  SUCCEEDED: 'The tenant is served from the new place.',
  FAILED: 'The transfer failed. A tenant that was to move is unchanged and stays where it is; a new tenant is removed.',
  CANCELLED:
    'The transfer was cancelled. A tenant that was to move is unchanged and stays where it is; a new tenant is removed.',
} as const;
export type TransferEventKind = keyof typeof transferEventKinds;

/** An event of a transfer. Events are ordered by `seq`, which counts from 1 without gaps. */
export interface TransferEvent {
  readonly seq: number;
  readonly at: Date;
  readonly kind: TransferEventKind;
  readonly message: string;
  readonly rowsCopied: number;
  /** An estimate until all tables are copied; null before it is known. */
  readonly rowsTotal: number | null;
}

/** The channel on which writers notify readers of new events. The payload is the transfer's id. */
const eventsChannel = 'tenant_transfers';

/** The channel that wakes workers: a transfer may be claimed, or is to be cancelled. The payload is its id. */
export const transferWorkChannel = 'transfer_work';

/**
 * Appends an event to a transfer. It locks the transfer's row, so that events become visible in the order of their numbers.
 * @param client a connection to `auth`, in a transaction
 */
export async function appendTransferEvent(
  client: pg.Client,
  transfer: string,
  kind: TransferEventKind,
  message: string,
): Promise<void> {
  await client.query(
    `WITH x AS (UPDATE tenant_transfers SET last_seq = last_seq + 1 WHERE id = $1 RETURNING last_seq, rows_copied, rows_total),
       added AS (
         INSERT INTO tenant_transfer_events (transfer_id, seq, kind, message, rows_copied, rows_total)
         SELECT $1, last_seq, $2, $3, rows_copied, rows_total FROM x)
     SELECT notify_if_room('${eventsChannel}', $1::text)`,
    [transfer, kind, message],
  );
}

/** Wakes the workers when the transaction commits. */
export async function wakeTransferWorkers(client: pg.Client, transfer: string): Promise<void> {
  await client.query('SELECT notify_if_room($1, $2)', [transferWorkChannel, transfer]);
}

/**
 * Yields the events of a transfer after `after`: first the stored ones, then each new one, until the transfer ends. It holds no
 * connection while it waits.
 * @throws {AppError} NOT_FOUND, before the first event
 */
export async function* followTransfer(
  catalog: Catalog,
  listener: Listener,
  transfer: string,
  after = 0,
  signal?: AbortSignal,
): AsyncGenerator<TransferEvent, void, undefined> {
  const read = (seen: number) => readPage(catalog, transfer, seen);
  const followed = { listener, channel: eventsChannel, id: transfer, read };
  for await (const events of followEvents(followed, after, signal)) yield* events;
}

type EventRow = Omit<TransferEvent, 'at'> & { readonly atMs: number; readonly ended: boolean };

/** Uses one statement, so that `ended` is never newer than the events. */
async function readPage(catalog: Catalog, transfer: string, after: number): Promise<EventPage<TransferEvent>> {
  const { rows } = await catalog.use((client) =>
    client.query<EventRow>(
      `SELECT x.ended_at IS NOT NULL AS ended, e.seq, (extract(epoch FROM e.at) * 1000)::float8 AS "atMs", e.kind, e.message,
         e.rows_copied::float8 AS "rowsCopied", e.rows_total::float8 AS "rowsTotal"
       FROM tenant_transfers x LEFT JOIN LATERAL (
         SELECT * FROM tenant_transfer_events WHERE transfer_id = x.id AND seq > $2 ORDER BY seq LIMIT $3) e ON true
       WHERE x.id = $1 ORDER BY e.seq`,
      [transfer, after, EVENT_PAGE],
    ),
  );
  const [first] = rows;
  if (!first) throw new AppError('NOT_FOUND', `There is no transfer ${transfer}`);
  // Without events, the outer join returns one row of nulls.
  const events =
    first.seq === null ? [] : rows.map(({ ended: _, atMs, ...event }) => ({ ...event, at: new Date(atMs) }));
  return { ended: first.ended, events };
}
