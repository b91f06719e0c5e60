import pg from 'pg';
import type { Logger } from 'pino';
import { redactValues } from './redact.ts';

const SHOWN = 300;

/**
 * Logs every statement of this process at debug level, with its duration in milliseconds. Values are redacted,
 * because they may be passwords and password hashes. It cannot be turned off, so it is only for
 * short-lived commands.
 */
export function logStatements(log: Logger): void {
  const send: (...args: unknown[]) => unknown = pg.Client.prototype.query;
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    const start = performance.now();
    const text = textOf(args[0]);
    const done = () => log.debug({ ms: Math.round((performance.now() - start) * 10) / 10, sql: text }, 'statement');
    const result = send.apply(this, args);
    if (text !== undefined && result instanceof Promise) result.then(done, done);
    if (text !== undefined && result instanceof pg.Query) result.on('end', done).on('error', done);
    return result;
    // pg declares one overload for each way of calling it.
  } as typeof pg.Client.prototype.query;
}

function textOf(query: unknown): string | undefined {
  const text: unknown = typeof query === 'object' && query !== null ? Reflect.get(query, 'text') : query;
  return typeof text === 'string' ? redactValues(text, SHOWN) : undefined;
}
