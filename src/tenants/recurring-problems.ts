import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import { messageOf } from '../lib/errors.ts';

/** How many problems are remembered. */
const MAX_PROBLEMS = 10_000;
/** How often a problem that stays is logged, in milliseconds. */
const AGAIN_MS = 60 * 60 * 1000;

/** Logs the problems of work that is tried again every few seconds: each once, and again when it changes or after an hour. */
export class RecurringProblems {
  readonly #log: Logger;
  readonly #known = new LRUCache<string, string>({ max: MAX_PROBLEMS, ttl: AGAIN_MS });

  constructor(log: Logger) {
    this.#log = log;
  }

  /**
   * Logs a problem, unless it has been logged for this subject with the same error.
   * @param subject what the problem is with, such as `tenant …`
   */
  report(
    subject: string,
    fields: { readonly err?: unknown; readonly [name: string]: unknown },
    message: string,
    level: 'warn' | 'error' = 'error',
  ): void {
    const found = fields.err === undefined ? message : messageOf(fields.err);
    if (this.#known.get(subject) === found) return;
    this.#known.set(subject, found);
    this.#log[level](fields, message);
  }

  /** Forgets a subject's problem. Returns whether it had one. */
  solved(subject: string): boolean {
    return this.#known.delete(subject);
  }
}
