import { createHash } from 'node:crypto';
import type { Logger } from 'pino';
import type { Catalog } from '../catalog/catalog.ts';
import { networkOf } from '../lib/client-network.ts';
import { type AuditRecord, writeAudit } from './audit-log.ts';

/**
 * The maximum number of rows that `writeLimited` adds per minute in one process, for one caller and for all refusals.
 */
const MAX_ROWS_OF_CALLER = 20;
const MAX_ROWS = 500;
/** The maximum number of rows with arguments that `writeCounted` adds per minute in one process, for one caller. */
const MAX_COUNTED_ROWS_OF_CALLER = 100;

/** An entry to be written, with the key of the entries that it is merged with. */
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
 * Writes entries that callers can repeat freely: equal entries of one minute share a row with a count. While an entry
 * is being written, equal ones wait and are then written together, so they use at most one connection.
 */
export class RepeatedAudit {
  readonly #catalog: Pick<Catalog, 'use'>;
  readonly #log: Logger;
  readonly #batches = new Map<string, Batch>();
  /** The keys written in the current minute, by caller and kind. */
  readonly #rows = new Map<string, Set<string>>();
  #rowCount = 0;
  #minute = 0;

  constructor(catalog: Pick<Catalog, 'use'>, log: Logger) {
    this.#catalog = catalog;
    this.#log = log;
  }

  /**
   * Writes a successful action. It is merged with equal entries and otherwise gets its own row. A caller with very many
   * in a minute gets one row per action, tenant and network for the rest, without arguments.
   * @param caller identifies the caller
   * @param what distinguishes actions that have the same name, tenant and network
   */
  async writeCounted(record: AuditRecord, caller: string, what: string): Promise<void> {
    const key = keyOf(caller, record, what);
    const rows = this.#rowsOf(`${caller} counted`);
    if (rows.has(key) || rows.size < MAX_COUNTED_ROWS_OF_CALLER) {
      rows.add(key);
      await this.#write({ record, key });
    } else {
      await this.#write({ record: { ...record, details: undefined }, key: keyOf(caller, record) });
    }
  }

  /**
   * Writes a refusal or another action that costs the caller nothing. All entries of a caller with the same action,
   * outcome, tenant and network are equal. A caller who varies these gets a few rows, and then a single one for the
   * rest.
   * @param caller identifies the caller; must not contain anything that a caller can choose freely
   */
  async writeLimited(record: AuditRecord, caller: string): Promise<void> {
    await this.#write(this.#limited(record, caller));
  }

  /** The keys of a group in the current minute. */
  #rowsOf(group: string): Set<string> {
    const minute = Math.floor(Date.now() / 60_000);
    if (minute !== this.#minute) {
      this.#minute = minute;
      this.#rows.clear();
      this.#rowCount = 0;
    }
    const rows = this.#rows.get(group) ?? new Set();
    this.#rows.set(group, rows);
    return rows;
  }

  #limited(record: AuditRecord, caller: string): Entry {
    const key = keyOf(caller, record);
    // Counted separately, so that nobody can hide a success among refusals. Only signed-in callers can add successes.
    const succeeded = record.outcome === 'OK';
    const rows = this.#rowsOf(`${caller} ${succeeded}`);
    if (rows.has(key)) return { record, key };
    const several = { ...record, action: 'several', ...unknown };
    if (rows.size >= MAX_ROWS_OF_CALLER) return { record: several, key: keyOf(caller, several) };
    if (!succeeded && this.#rowCount >= MAX_ROWS) {
      return { record: { ...several, actor: 'several', userId: undefined }, key: keyOf('several', several) };
    }
    rows.add(key);
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
      // The action has already been carried out, so an entry that cannot be written goes to the server's log.
      this.#log.error({ err, audit: record, count }, 'an entry cannot be written to the audit log');
    }
    if (this.#batches.get(key) === batch) this.#batches.delete(key);
  }
}

/** The fields that are left empty in a merged row. */
const unknown = { tenantId: undefined, address: undefined, requestId: undefined, details: undefined };

function keyOf(caller: string, { action, outcome, tenantId, address }: AuditRecord, what?: string): string {
  const network = address && networkOf(address);
  return createHash('sha256')
    .update(JSON.stringify([caller, action, outcome, tenantId, network, what]))
    .digest('hex');
}
