import pg from 'pg';
import type { Logger } from 'pino';

const SHOWN = 300;

/**
 * From now on each statement of this process is logged at the level debug, with the time that it took in milliseconds. Texts
 * are left out, for MikroORM writes values into its statements, password hashes among them, and roles get passwords so. It is
 * for commands that end soon, and stays on.
 */
export function logStatements(log: Logger): void {
  const send: (...args: unknown[]) => unknown = pg.Client.prototype.query;
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    const start = performance.now();
    const text = textOf(args[0]);
    const done = () => log.debug({ ms: Math.round((performance.now() - start) * 10) / 10, sql: text }, 'statement');
    const result = send.apply(this, args);
    if (text !== undefined && result instanceof Promise) result.then(done, done);
    return result;
    // pg declares one overload for each way of calling it.
  } as typeof pg.Client.prototype.query;
}

function textOf(query: unknown): string | undefined {
  const text: unknown = typeof query === 'object' && query !== null ? Reflect.get(query, 'text') : query;
  if (typeof text !== 'string') return undefined;
  const line = text
    .replace(/\s+/g, ' ')
    .replace(/'(?:[^']|'')*'/g, "'…'")
    .trim();
  return line.length > SHOWN ? `${line.slice(0, SHOWN)}…` : line;
}
