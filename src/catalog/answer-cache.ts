import { LRUCache } from 'lru-cache';

const CACHED = 10_000;
/** How long an answer may be believed when the notification that it has changed is lost, in milliseconds. */
const TTL_MS = 5_000;

/** An answer that is kept, or one that is still waited for. */
interface Entry<T> {
  readonly answer: Promise<T | null>;
  /** Null: there is none; undefined: the answer has not come. */
  value: T | null | undefined;
}

/** Remembers for seconds what a database has answered. Who asks while an answer is on its way waits for the same one. */
export class AnswerCache<T extends object> {
  readonly #entries = new LRUCache<string, Entry<T>>({ max: CACHED, ttl: TTL_MS });

  /** The answer to `key`, which `load` finds if it is not known; null says that there is none. */
  async find(key: string, load: () => Promise<T | null>): Promise<T | undefined> {
    const known = this.#entries.get(key);
    if (known) return (await known.answer) ?? undefined;
    const entry: Entry<T> = { answer: load(), value: undefined };
    this.#entries.set(key, entry);
    try {
      entry.value = await entry.answer;
      return entry.value ?? undefined;
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
