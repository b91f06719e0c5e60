import { LRUCache } from 'lru-cache';

const CACHED = 10_000;
/** What all entries of a cache may take, roughly. A caller can choose keys, and what is found by them. */
const MAX_BYTES = 16 * 1024 * 1024;
/** What an entry takes beside its key and what is counted of its answer. */
const ENTRY_BYTES = 500;
/** How long an answer may be believed when the notification that it has changed is lost, in milliseconds. */
const TTL_MS = 5_000;

/** An answer that is kept, or one that is still waited for. */
interface Entry<T> {
  readonly answer: Promise<T | null>;
  /** Null: there is none; undefined: the answer has not come. */
  readonly value: T | null | undefined;
}

/** Remembers for seconds what a database has answered. Who asks while an answer is on its way waits for the same one. */
export class TtlCache<T extends object> {
  readonly #entries: LRUCache<string, Entry<T>>;

  /** @param sizeOf how many bytes an answer takes, where that can be more than a row of the catalog */
  constructor(sizeOf: (answer: T) => number = () => 0) {
    this.#entries = new LRUCache({
      max: CACHED,
      maxSize: MAX_BYTES,
      sizeCalculation: ({ value }, key) => ENTRY_BYTES + 2 * key.length + (value ? sizeOf(value) : 0),
      ttl: TTL_MS,
    });
  }

  /** The answer to `key`, which `load` finds if it is not known; null says that there is none. */
  async find(key: string, load: () => Promise<T | null>): Promise<T | undefined> {
    const known = this.#entries.get(key);
    if (known) return (await known.answer) ?? undefined;
    const entry: Entry<T> = { answer: load(), value: undefined };
    this.#entries.set(key, entry);
    try {
      const value = await entry.answer;
      // Another object, for the cache measures an entry that is new.
      if (this.#entries.peek(key) === entry) this.#entries.set(key, { ...entry, value }, { noUpdateTTL: true });
      return value ?? undefined;
    } catch (error) {
      if (this.#entries.peek(key) === entry) this.#entries.delete(key);
      throw error;
    }
  }

  /**
   * Forgets the answers that `isStale` names, by their key and value. Where the value is null there was none; where it is
   * undefined the answer is on its way, and may be older than the change: who waits for it gets it, but it is not kept.
   */
  forget(isStale: (key: string, value: T | null | undefined) => boolean): void {
    for (const [key, { value }] of this.#entries.entries()) {
      if (isStale(key, value)) this.#entries.delete(key);
    }
  }
}
