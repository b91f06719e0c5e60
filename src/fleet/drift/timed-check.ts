import type { Logger } from 'pino';
import { repeatUntil } from '../../lib/retry-loop.ts';
import type { Listener } from '../../postgres/listener.ts';
import { checkDrift, type FleetDriftOptions } from './check-drift.ts';
import { claimCheck, releaseCheck } from './drift-store.ts';

/** What checking the fleet from time to time needs. */
export interface TimedDriftOptions extends Omit<FleetDriftOptions, 'concurrency'> {
  readonly listener: Pick<Listener, 'instance' | 'connected'>;
  /** The hours from the beginning of one check to that of the next. */
  readonly hours: number;
  readonly log: Logger;
}

/** How often to look whether a check is due, in milliseconds. */
const LOOK_MS = 5_000;
/** Requests and runs go first. */
const CONCURRENCY = 2;

/**
 * Checks from time to time whether the tables of all tenants match the entities. One process at a time does it; if it dies,
 * another continues.
 */
export function startDriftChecks(options: TimedDriftOptions): AsyncDisposable {
  const stop = new AbortController();
  const done = repeatUntil(
    stop.signal,
    () => checkIfDue(options, stop.signal),
    LOOK_MS,
    (err) => options.log.warn({ err }, 'could not check the fleet for drift; will try again'),
  );
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await done;
    },
  };
}

async function checkIfDue(options: TimedDriftOptions, stop: AbortSignal): Promise<void> {
  const { catalog, listener, hours, log } = options;
  // Without its liveness lock, other processes would take over at once what this one claims.
  if (!listener.connected || !(await catalog.use((client) => claimCheck(client, listener.instance, hours)))) return;
  let done = false;
  try {
    const counts = { compared: 0, drifted: 0, failed: 0 };
    for await (const { statements, error } of checkDrift(
      { ...options, concurrency: CONCURRENCY },
      { unchecked: true },
      stop,
    )) {
      counts.compared += 1;
      if (error !== null) counts.failed += 1;
      else if (statements.length > 0) counts.drifted += 1;
    }
    done = !stop.aborted;
    if (done) log.info(counts, 'checked the fleet for drift');
  } finally {
    await catalog.use((client) => releaseCheck(client, listener.instance, done));
  }
}
