import { AsyncLocalStorage } from 'node:async_hooks';
import type { Logger } from 'pino';
import type { FinishedOperation } from './meters.ts';

/** The maximum number of statements that a record keeps the texts of. */
const MAX_TEXTS = 100;

/** A statement that a request has sent. */
export interface SentStatement {
  /** May contain values. */
  readonly text: string;
  readonly durationMs: number;
}

/** What is known of one request while it is handled, for its log line and the counters. */
export class RequestRecord {
  readonly id: string;
  /** When it began, on the clock of `performance`. */
  readonly start: number = performance.now();
  /** The trace that it belongs to; undefined if there is none. */
  readonly traceId: string | undefined;
  /** The request's own logger, once more than its id is known. */
  log: Logger | undefined;
  operation: { readonly name: string | undefined; readonly type: FinishedOperation['type'] } | undefined;
  tenant: { readonly id: string } | undefined;
  /** The id of the caller; undefined for anonymous callers. */
  user: string | undefined;
  isAuthenticated = false;
  /** The code of the first error in the result; undefined without errors. */
  code: string | undefined;
  statements = 0;
  /** How long it has waited for connections, in milliseconds. */
  waitMs = 0;
  /** The first statements. */
  readonly sent: SentStatement[] = [];

  constructor(id: string, traceId: string | undefined) {
    this.id = id;
    this.traceId = traceId;
  }

  /** Counts a statement. */
  addStatement(text: string, durationMs: number): void {
    this.statements += 1;
    if (this.sent.length < MAX_TEXTS) this.sent.push({ text, durationMs });
  }
}

const current = new AsyncLocalStorage<RequestRecord>();

/** The record of the current request; undefined outside of requests. */
export function currentRequest(): RequestRecord | undefined {
  return current.getStore();
}

/** Runs work as part of a request. */
export function asRequest<T>(record: RequestRecord, work: () => T): T {
  return current.run(record, work);
}
