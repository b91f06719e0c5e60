import { AsyncLocalStorage } from 'node:async_hooks';
import pg from 'pg';

/** A piece of work that stops before one of its statements, and waits for ever. */
export interface Stalling {
  /** How many statements it has come to. */
  statements: number;
  /** The statement before which it stops, counted from 1; 0: none. */
  readonly stopAt: number;
  /** Sends the statement before which it has stopped. */
  readonly stopped: PromiseWithResolvers<() => void>;
}

const current = new AsyncLocalStorage<Stalling>();

/** Has every statement of this process counted that is sent in {@link stall}. It is for a process of its own. */
export function watchStatements(): void {
  const query: (...args: unknown[]) => unknown = pg.Client.prototype.query;
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    const work = current.getStore();
    if (work) {
      work.statements += 1;
      if (work.statements === work.stopAt) {
        work.stopped.resolve(() => query.apply(this, args));
        return new Promise(() => undefined);
      }
    }
    return query.apply(this, args);
    // pg declares one overload for each way of calling it.
  } as typeof pg.Client.prototype.query;
}

/**
 * Does something until it comes to a statement, or to its end if that is 0.
 * @throws {Error} if it does not stop where it should
 */
export async function stall(name: string, stopAt: number, work: () => Promise<unknown>): Promise<Stalling> {
  const stalling: Stalling = { statements: 0, stopAt, stopped: Promise.withResolvers() };
  const ended = current.run(stalling, work).then(
    () => true,
    () => true,
  );
  const hasEnded = await Promise.race([ended, stalling.stopped.promise.then(() => false)]);
  if (hasEnded !== (stopAt === 0)) throw new Error(`${name} ended after ${stalling.statements} statements`);
  return stalling;
}

/** Sends the statements before which work has stopped, prints a line of JSON, and has this process killed. */
export async function sendAndDie(stalled: readonly Stalling[], printed: unknown): Promise<void> {
  const sendAll = await Promise.all(stalled.map(({ stopped }) => stopped.promise));
  process.stdout.write(`${JSON.stringify(printed)}\n`, () => {
    for (const send of sendAll) send();
    // Nothing between sending and dying: PostgreSQL is left with statements whose sender is gone.
    process.kill(process.pid, 'SIGKILL');
  });
}
