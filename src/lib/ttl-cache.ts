import { LRUCache } from 'lru-cache';

const MAX_ENTRIES = 10_000;
/** The approximate size limit of a cache. It is needed because callers influence the keys and the values. */
const MAX_BYTES = 16 * 1024 * 1024;
/** The size of an entry without its key and what `sizeOf` counts. */
const ENTRY_BYTES = 500;
/** How long a stale value may be used when the notification of its change is lost, in milliseconds. */
const TTL_MS = 5_000;

/** A value that is cached or still being loaded. */
interface Entry<T> {
  readonly answer: Promise<T | null>;
  /** Null: there is no value; undefined: it is still being loaded. */
  readonly value: T | null | undefined;
}

/** Caches values from a database for a few seconds. Callers that ask for a value while it is being loaded share the load. */
export class TtlCache<T extends object> {
  readonly #entries: LRUCache<string, Entry<T>>;

  /** @param sizeOf the size of a value in bytes, where it can exceed that of a row of the catalog */
  constructor(sizeOf: (answer: T) => number = () => 0) {
    this.#entries = new LRUCache({
      max: MAX_ENTRIES,
      maxSize: MAX_BYTES,
      sizeCalculation: ({ value }, key) => ENTRY_BYTES + 2 * key.length + (value ? sizeOf(value) : 0),
      ttl: TTL_MS,
    });
  }

  /** Returns the value of `key`, loading it if it is not cached. `load` returns null if there is none. */
  async find(key: string, load: () => Promise<T | null>): Promise<T | undefined> {
    const known = this.#entries.get(key);
    if (known) return (await known.answer) ?? undefined;
    const entry: Entry<T> = { answer: load(), value: undefined };
    this.#entries.set(key, entry);
    try {
      const value = await entry.answer;
      // A new object, because the cache measures an entry only when it is new.
      if (this.#entries.peek(key) === entry) this.#entries.set(key, { ...entry, value }, { noUpdateTTL: true });
      return value ?? undefined;
    } catch (error) {
      if (this.#entries.peek(key) === entry) this.#entries.delete(key);
      throw error;
    }
  }

  /** Returns the value of `key` if it is cached; null if there is none, undefined if it is not loaded. */
  known(key: string): T | null | undefined {
    return this.#entries.get(key)?.value;
  }

  /**
   * Removes the entries for which `isStale` returns true. A null value means that there was none. An undefined value is
   * still being loaded and may be older than the change: waiting callers get it, but it is not cached.
   */
  forget(isStale: (key: string, value: T | null | undefined) => boolean): void {
    for (const [key, { value }] of this.#entries.entries()) {
      if (isStale(key, value)) this.#entries.delete(key);
    }
  }
}
