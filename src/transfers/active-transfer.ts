import type pg from 'pg';
import { takeTransferStepSql, transferSteps } from '../catalog/transfer-status.ts';
import type { CopyProgress } from '../copying/place.ts';
import { counted, countText, estimateText, sizeText } from '../lib/quantities.ts';
import { elapsedSince } from '../lib/time.ts';
import { inTransaction } from '../postgres/sql/transaction.ts';
import { newPlacement, newTenantKey } from '../routing/placement.ts';
import { appendTransferEvent, type TransferEventKind } from './events.ts';
import type { TransferOptions } from './options.ts';
import { addOldPlace, type ClaimedTransfer, LostClaimError, lockClaim, storeProgress } from './store.ts';

/** Somebody has cancelled the transfer. */
export class TransferCancelledError extends Error {
  constructor() {
    super('it was cancelled');
  }
}

/** A database that was copied by template. */
export interface CopiedDatabase {
  readonly database: string;
  /** Its size. */
  readonly bytes: number;
}

/** How often to check whether it was cancelled if no notification says so, in milliseconds. */
const CHECK_MS = 1_000;
/** How often progress is stored, in milliseconds. */
const STORE_MS = 500;
/** How often progress is an event, in milliseconds. */
const EVENT_MS = 1_000;

/** A transfer that this process carries out, and the only way in which it changes the transfer's row. */
export class ActiveTransfer {
  readonly options: TransferOptions;
  readonly #stop = new AbortController();
  #transfer: ClaimedTransfer;
  #storing: Promise<void> | undefined;
  #storedAt = 0;
  #eventAt = 0;

  constructor(options: TransferOptions, transfer: ClaimedTransfer) {
    this.options = options;
    this.#transfer = transfer;
  }

  /** The transfer as this process knows it. */
  get transfer(): ClaimedTransfer {
    return this.#transfer;
  }

  /** Aborted when the work must end: it is cancelled, taken over, or the process stops. The reason says which. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Ends the work. */
  abort(reason: Error): void {
    this.#stop.abort(reason);
  }

  /**
   * Runs `work` outside a worker, and checks from time to time whether the transfer was cancelled.
   * @param signal ends the work, with the given reason
   */
  async alone<T>(signal: AbortSignal | undefined, reason: Error, work: () => Promise<T>): Promise<T> {
    const stop = () => this.abort(reason);
    signal?.addEventListener('abort', stop);
    if (signal?.aborted) stop();
    const timer = setInterval(() => void this.check(), CHECK_MS);
    try {
      return await work();
    } finally {
      clearInterval(timer);
      signal?.removeEventListener('abort', stop);
    }
  }

  /** Ends the work if the transfer was cancelled or taken over. Never rejects. */
  async check(): Promise<void> {
    await this.#store(undefined);
  }

  /** Remembers what this process has just committed about the transfer. */
  note(changes: Partial<Pick<ClaimedTransfer, 'statusBefore' | 'hasTarget' | 'to'>>): void {
    this.#transfer = { ...this.#transfer, ...changes };
  }

  /**
   * Changes the catalog in a transaction during which no other process can take the transfer over.
   * @throws {LostClaimError}
   */
  commit<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    return this.options.catalog.use((client) =>
      inTransaction(client, async () => {
        await lockClaim(client, this.#transfer);
        return work(client);
      }),
    );
  }

  /** Appends an event. */
  async report(kind: TransferEventKind, message: string): Promise<void> {
    await this.commit((client) => appendTransferEvent(client, this.#transfer.id, kind, message));
  }

  /**
   * Begins an attempt with a new key, which no statement of an earlier attempt knows. What the earlier one may have made at
   * its place is dropped later.
   */
  async begin(): Promise<void> {
    const { id, tenantId, to, hasTarget, kind, attempts } = this.#transfer;
    const key = hasTarget ? newTenantKey() : to.key;
    const placement = newPlacement(key, to.isolation, to.server, this.options.sharedDatabase);
    await this.commit(async (client) => {
      if (hasTarget) await addOldPlace(client, this.#transfer, to, 0);
      await client.query(
        takeTransferStepSql(transferSteps.begin, {
          where: 'x.id = $1',
          set: `has_target = true, to_key = $2, to_database = $3, to_schema = $4, error = NULL,
            rows_copied = 0, rows_total = NULL, bytes_copied = 0`,
        }),
        [id, key, placement.database, placement.schema],
      );
      if (kind === 'CLONE') {
        await client.query(
          `UPDATE tenants SET key = $2, database = $3, schema = $4 WHERE id = $1 AND status = 'PROVISIONING'`,
          [tenantId, key, placement.database, placement.schema],
        );
      }
      await appendTransferEvent(
        client,
        id,
        'STARTED',
        attempts === 1 ? 'a process works on it' : `a process works on it, attempt ${attempts}`,
      );
    });
    this.note({ hasTarget: true, to: { ...to, ...placement, key } });
  }

  /** Stores the progress of the copy from time to time. */
  progress(progress: CopyProgress): void {
    if (this.#storing || elapsedSince(this.#storedAt) < STORE_MS) return;
    this.#storing = this.#store(progress).finally(() => {
      this.#storing = undefined;
    });
  }

  /** Stores the final progress of the copy. @throws {LostClaimError} */
  async copied(progress: CopyProgress): Promise<void> {
    await this.#storing;
    const { rowsCopied, bytesCopied } = progress;
    await this.commit(async (client) => {
      await storeProgress(client, this.#transfer, progress);
      await appendTransferEvent(
        client,
        this.#transfer.id,
        'COPIED',
        `${counted(rowsCopied, 'row')}, ${sizeText(bytesCopied)}`,
      );
    });
  }

  /**
   * Stores that a database was copied as a whole. Its rows are not counted.
   * @param client a connection to `auth`, in a transaction that has locked the claim
   */
  async copiedWhole(client: pg.Client, { database, bytes }: CopiedDatabase): Promise<void> {
    const { id } = this.#transfer;
    await client.query('UPDATE tenant_transfers SET bytes_copied = $2 WHERE id = $1', [id, bytes]);
    await appendTransferEvent(client, id, 'COPIED', `the whole database ${database} by template, ${sizeText(bytes)}`);
  }

  async #store(progress: CopyProgress | undefined): Promise<void> {
    this.#storedAt = performance.now();
    const isEvent = progress !== undefined && elapsedSince(this.#eventAt) >= EVENT_MS;
    if (isEvent) this.#eventAt = performance.now();
    const { catalog, log } = this.options;
    try {
      const isCancelled = await catalog.use((client) =>
        inTransaction(client, async () => {
          const cancelled = await storeProgress(client, this.#transfer, progress);
          if (isEvent) await appendTransferEvent(client, this.#transfer.id, 'COPYING', describe(progress));
          return cancelled;
        }),
      );
      if (isCancelled) this.abort(new TransferCancelledError());
    } catch (error) {
      if (error instanceof LostClaimError) this.abort(error);
      else log.warn({ err: error, transfer: this.#transfer.id }, 'could not store the progress of a transfer');
    }
  }
}

function describe({ rowsCopied, rowsTotal, bytesCopied }: CopyProgress): string {
  // An estimate that turned out too low is of no use.
  const total = rowsTotal > rowsCopied ? ` of ${estimateText(rowsTotal)}` : '';
  return `${countText(rowsCopied)}${total} rows, ${sizeText(bytesCopied)}`;
}
