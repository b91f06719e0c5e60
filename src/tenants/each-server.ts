import type { Logger } from 'pino';
import { AppError, messageOf } from '../lib/errors.ts';
import { isConnectionFailure } from '../postgres/sql/error-codes.ts';
import type { ServerRegistry } from '../servers/registry.ts';
import type { RecurringProblems } from './recurring-problems.ts';

/** What working on servers needs. */
export interface EachServerOptions {
  readonly servers: ServerRegistry;
  readonly problems: RecurringProblems;
  readonly log: Logger;
}

/** What is called with the error of a server that does not answer. */
export type OnSilent = (server: string, error: unknown) => Promise<void>;

/**
 * Works on several servers at the same time, so that none waits for another one. A server that does not answer is left for the
 * next call, as is the rest of the work on a server that stops answering. Both are logged once, not for each thing that is to be
 * done there.
 * @param work rejects with the error of the server if that does not answer
 * @throws the first other error, once the work on all servers has ended
 */
export async function onEachServer(
  options: EachServerOptions,
  names: readonly string[],
  work: (server: string) => Promise<void>,
  onSilent?: OnSilent,
): Promise<void> {
  const results = await Promise.allSettled(names.map((name) => onServer(options, name, work, onSilent)));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

async function onServer(
  { servers, problems, log }: EachServerOptions,
  name: string,
  work: (server: string) => Promise<void>,
  onSilent: OnSilent | undefined,
): Promise<void> {
  const subject = `server ${name}`;
  try {
    const { server } = await servers.find(name);
    await server.ping();
    if (problems.solved(subject)) log.info({ server: name }, 'a server answers again');
    await work(name);
  } catch (err) {
    if (!isUnavailable(err)) throw err;
    await onSilent?.(name, err);
    problems.report(
      subject,
      // Each attempt may find out in another way.
      { reason: messageOf(err), server: name },
      'a server does not answer, so what is to be finished or removed there waits; will try again',
      'warn',
    );
  }
}

/** Whether an error means that further work on its server would fail too. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof AppError ? error.code === 'SERVER_BUSY' : isConnectionFailure(error);
}
