import { AppError } from '../../platform.ts';

/** How many uploads and downloads there can be at once: of one tenant, and of all in this process. */
const MAX = { tenant: 20, all: 200 };
/** How long to wait before the next try, in milliseconds. */
const RETRY_MS = 2_000;
/** How long a transfer may take in any case, in milliseconds. */
const FREE_MS = 60_000;
/** What a client must be able to send or receive, in bytes per millisecond. */
const MIN_RATE = 16;

/** Limits how many transfers there are. */
export class Transfers {
  readonly #counts = new Map<string, number>();
  #all = 0;

  /**
   * Begins a transfer, which lasts until the result is disposed of.
   * @throws {AppError} RATE_LIMITED or SERVER_BUSY
   */
  begin(tenant: string): Disposable {
    const count = this.#counts.get(tenant) ?? 0;
    if (count >= MAX.tenant) throw refusal('RATE_LIMITED', 'Too many files are transferred at once.');
    if (this.#all >= MAX.all) throw refusal('SERVER_BUSY', 'The server transfers too many files at present.');
    this.#counts.set(tenant, count + 1);
    this.#all += 1;
    return { [Symbol.dispose]: () => this.#end(tenant) };
  }

  #end(tenant: string): void {
    this.#all -= 1;
    const left = (this.#counts.get(tenant) ?? 1) - 1;
    if (left > 0) this.#counts.set(tenant, left);
    else this.#counts.delete(tenant);
  }
}

/** How long a transfer may take, in milliseconds, so that slow clients don't hold connections forever. */
export function transferLimitMs(bytes: number): number {
  return FREE_MS + Math.ceil(bytes / MIN_RATE);
}

function refusal(code: 'RATE_LIMITED' | 'SERVER_BUSY', message: string): AppError {
  return new AppError(code, `${message} Try again in a moment.`, { details: { retryAfterMs: RETRY_MS } });
}
