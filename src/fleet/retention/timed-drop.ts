import type { Logger } from 'pino';
import type { RetentionConfig } from '../../config/retention-config.ts';
import { repeatUntil } from '../../lib/retry-loop.ts';
import type { PostgresServer } from '../../postgres/server.ts';
import { dropOldRecords } from './drop-old.ts';

/** How often old records are looked for, in milliseconds. */
const LOOK_MS = 600_000;
/** The delay before the first time, in milliseconds. A process first does what it was started for. */
const FIRST_MS = 60_000;

/** What deleting old records needs. */
export interface RetentionOptions {
  /** The server with the catalog. */
  readonly server: PostgresServer;
  /** The name of the catalog's database. */
  readonly database: string;
  readonly ages: RetentionConfig;
  readonly log: Logger;
}

/** Deletes old records now and then, until it is disposed of. */
export function startRetention({ server, database, ages, log }: RetentionOptions): AsyncDisposable {
  const stop = new AbortController();
  const done = repeatUntil(
    stop.signal,
    async () => {
      // The role of requests may not delete entries of the audit log.
      const dropped = await server.owner(database, (client) =>
        dropOldRecords({ use: (work) => work(client) }, ages, stop.signal),
      );
      if (Object.values(dropped).some((count) => count > 0)) log.info(dropped, 'deleted old records');
    },
    LOOK_MS,
    (err) => log.warn({ err }, 'could not delete old records; will try again'),
    FIRST_MS,
  );
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await done;
    },
  };
}
