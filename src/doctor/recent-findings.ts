import { AppError } from '../lib/errors.ts';
import { elapsedSince, withTimeLimit } from '../lib/time.ts';

/** A problem of the installation. */
export interface Finding {
  readonly message: string;
  /** What to do about it. */
  readonly remedy: string;
  /** Whether `tenantry doctor --fix` fixes it. */
  readonly fixable: boolean;
}

/** How long findings are returned again, in milliseconds. */
const FRESH_MS = 60_000;
/** How long a caller waits for a search, in milliseconds. */
const WAIT_MS = 10_000;

/**
 * The findings of the last search. A search connects to every tenant's database, so this process makes one at a time, and at
 * most one a minute.
 */
export class RecentFindings {
  readonly #find: () => Promise<readonly Finding[]>;
  #search: Promise<readonly Finding[]> | undefined;
  /** When the last search ended, as a `performance.now()` value; undefined while it goes on. */
  #endedAt: number | undefined;

  constructor(find: () => Promise<readonly Finding[]>) {
    this.#find = find;
  }

  /** @throws {AppError} SERVER_BUSY if the search takes long; it goes on, and a later call returns its findings */
  async read(): Promise<readonly Finding[]> {
    if (this.#endedAt !== undefined && elapsedSince(this.#endedAt) > FRESH_MS) this.#search = undefined;
    this.#search ??= this.#begin();
    const late = new AppError('SERVER_BUSY', 'The installation is still being checked. Ask again in a moment.', {
      details: { retryAfterMs: WAIT_MS },
    });
    return withTimeLimit(this.#search, WAIT_MS, late);
  }

  #begin(): Promise<readonly Finding[]> {
    this.#endedAt = undefined;
    const search = this.#find();
    // A failure is not kept.
    search.then(
      () => {
        this.#endedAt = performance.now();
      },
      () => {
        this.#search = undefined;
      },
    );
    return search;
  }
}
