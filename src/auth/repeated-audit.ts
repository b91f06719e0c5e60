import { createHash } from 'node:crypto';
import type { Logger } from 'pino';
import type { Catalog } from '../catalog/catalog.ts';
import { networkOf } from '../lib/client-network.ts';
import { type AuditRecord, writeAudit } from './audit-log.ts';

/** Rows that one process adds in a minute for one caller, and for the refusals of all together, by `writeLimited`. */
const MAX_ROWS_OF_CALLER = 20;
const MAX_ROWS = 500;

/** An entry that is about to be written, and what makes others equal to it beside action, outcome, tenant and network. */
interface Entry {
  readonly record: AuditRecord;
  readonly key: string;
}

interface Batch {
  count: number;
  started: boolean;
  done: Promise<void>;
}

/**
 * Writes entries that callers can repeat as often as they like: equal ones of a minute are one row with a count. While one is
 * being written, those that are equal to it wait and are then written together, so that they take one connection at most.
 */
export class RepeatedAudit {
  readonly #catalog: Pick<Catalog, 'use'>;
  readonly #log: Logger;
  readonly #batches = new Map<string, Batch>();
  /** The rows of `writeLimited` in the current minute, by caller. */
  readonly #rows = new Map<string, Set<string>>();
  #rowCount = 0;
  #minute = 0;

  constructor(catalog: Pick<Catalog, 'use'>, log: Logger) {
    this.#catalog = catalog;
    this.#log = log;
  }

  /**
   * Writes something that succeeded. It counts with what is equal to it, and gets a row of its own otherwise.
   * @param caller tells callers apart
   * @param what tells apart what the caller did, where action, tenant and network do not
   */
  async writeCounted(record: AuditRecord, caller: string, what: string): Promise<void> {
    await this.#write({ record, key: keyOf(caller, record, what) });
  }

  /**
   * Writes a refusal, or something else that costs its caller nothing. All entries of a caller with one action, outcome, tenant
   * and network are equal. Whoever varies these gets few rows, and then one for all others.
   * @param caller tells callers apart; nothing that a caller can choose freely
   */
  async writeLimited(record: AuditRecord, caller: string): Promise<void> {
    await this.#write(this.#limited(record, caller));
  }

  #limited(record: AuditRecord, caller: string): Entry {
    const minute = Math.floor(Date.now() / 60_000);
    if (minute !== this.#minute) {
      this.#minute = minute;
      this.#rows.clear();
      this.#rowCount = 0;
    }
    const key = keyOf(caller, record);
    // Apart, so that nobody hides a success among refusals; and only those who have signed in can add to successes.
    const succeeded = record.outcome === 'OK';
    const group = `${caller} ${succeeded}`;
    const rows = this.#rows.get(group) ?? new Set();
    if (rows.has(key)) return { record, key };
    const several = { ...record, action: 'several', ...unknown };
    if (rows.size >= MAX_ROWS_OF_CALLER) return { record: several, key: keyOf(caller, several) };
    if (!succeeded && this.#rowCount >= MAX_ROWS) {
      return { record: { ...several, actor: 'several', userId: undefined }, key: keyOf('several', several) };
    }
    this.#rows.set(group, rows.add(key));
    if (!succeeded) this.#rowCount++;
    return { record, key };
  }

  #write({ record, key }: Entry): Promise<void> {
    const last = this.#batches.get(key);
    if (last && !last.started) {
      last.count++;
      return last.done;
    }
    const batch: Batch = { count: 1, started: false, done: Promise.resolve() };
    batch.done = this.#writeAfter(last?.done, batch, record, key);
    this.#batches.set(key, batch);
    return batch.done;
  }

  async #writeAfter(last: Promise<void> | undefined, batch: Batch, record: AuditRecord, key: string): Promise<void> {
    await last;
    batch.started = true;
    const { count } = batch;
    try {
      await writeAudit(this.#catalog, record, { key, count });
    } catch (err) {
      // What was done is done, so that an entry that cannot be written goes to the log of the server.
      this.#log.error({ err, audit: record, count }, 'an entry cannot be written to the audit log');
    }
    if (this.#batches.get(key) === batch) this.#batches.delete(key);
  }
}

/** What is not known of several entries. */
const unknown = { tenantId: undefined, address: undefined, requestId: undefined, details: undefined };

function keyOf(caller: string, { action, outcome, tenantId, address }: AuditRecord, what?: string): string {
  const network = address && networkOf(address);
  return createHash('sha256')
    .update(JSON.stringify([caller, action, outcome, tenantId, network, what]))
    .digest('hex');
}
