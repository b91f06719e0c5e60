import type { Catalog } from '../../catalog/catalog.ts';
import { AppError } from '../../lib/errors.ts';
import type { Listener } from '../../postgres/listener.ts';

/** Something that happened in a run, in the order of `seq`, which counts from 1 without gaps. */
export interface RunEvent {
  readonly seq: number;
  readonly at: Date;
  readonly kind: RunEventKind;
  readonly tenantId: string | null;
  readonly migration: string | null;
  readonly message: string | null;
  /** Tenants that are done, well or not, but for those that are not started; and all tenants of the run. */
  readonly done: number;
  readonly total: number;
  /** Tenants a second since the run began, those not counted that were skipped at once; null until it can be told. */
  readonly rate: number | null;
  /** What is left at that rate, in seconds; 0 when the run has ended. */
  readonly remainingSeconds: number | null;
}

/** What can happen in a run, and what it means. */
export const runEventKinds = {
  RUN_STARTED: 'The run has been written down.',
  RUN_WARNING: 'Something about the run that does not stop it, such as a process that leaves it to others.',
  TENANTS_SKIPPED: 'Tenants for which the catalog knows that there is nothing to do.',
  WAVE_STARTED: 'The next wave begins.',
  TENANT_STARTED: 'Work on a tenant begins.',
  TENANT_WARNING: 'Something about a tenant that does not stop it, such as a file dated before what is applied.',
  TENANT_RETRYING: 'A try failed for a reason that may pass, or its process died; it is tried again.',
  MIGRATION_APPLIED: 'A migration was applied, or in a dry run tried and rolled back.',
  MIGRATION_REVERTED: 'A migration was taken back, perhaps since a later one failed.',
  TENANT_SUCCEEDED: 'All that was to be done is done.',
  TENANT_SKIPPED: 'There was nothing to do, or a dry run could not try it; then the message says why.',
  TENANT_FAILED: 'The tenant is as it was before, unless the message says that it needs attention.',
  RUN_CANCELLED: 'Somebody has cancelled the run; tenants under way still end.',
  RUN_RESUMED: 'Failed, cancelled and unstarted tenants are done again.',
  RUN_ENDED: 'Nothing more follows, unless the run is resumed.',
} as const;
export type RunEventKind = keyof typeof runEventKinds;

/** The channel on which writers tell readers that there is something new; its payload is the run's id. */
export const runChannel = 'migration_runs';

const PAGE = 1_000;
/** Readers look again after this time even if nothing wakes them, in milliseconds. */
const POLL_MS = 1_000;

interface Page {
  readonly events: readonly RunEvent[];
  readonly ended: boolean;
}

/**
 * The events of a run: those after `after` that have happened, then each as it happens, until the run ends. It holds no
 * connection while it waits.
 * @throws {AppError} NOT_FOUND, before the first event
 */
export async function* followRun(
  catalog: Catalog,
  listener: Listener,
  run: string,
  after = 0,
  signal?: AbortSignal,
): AsyncGenerator<RunEvent, void, undefined> {
  for await (const events of followRunInPages(catalog, listener, run, after, signal)) yield* events;
}

/** The same, in the pages in which they are read: whoever needs more for each event can read it for a page at once. */
export async function* followRunInPages(
  catalog: Catalog,
  listener: Listener,
  run: string,
  after = 0,
  signal?: AbortSignal,
): AsyncGenerator<readonly RunEvent[], void, undefined> {
  const wake = new Wake();
  const unsubscribe = listener.on(runChannel, (payload) => {
    if (payload === undefined || payload === run) wake.now();
  });
  const stop = () => wake.now();
  signal?.addEventListener('abort', stop);
  try {
    for (let seen = after; !signal?.aborted; ) {
      const { events, ended } = await readPage(catalog, run, seen);
      if (events.length > 0) yield events;
      seen = events.at(-1)?.seq ?? seen;
      if (events.length === PAGE) continue;
      if (ended) return;
      await wake.wait(POLL_MS);
    }
  } finally {
    unsubscribe();
    signal?.removeEventListener('abort', stop);
  }
}

type EventRow = Omit<RunEvent, 'at'> & { readonly atMs: number; readonly ended: boolean };

/** One statement, so that `ended` cannot be newer than the events: an ended run has no events beyond the page. */
async function readPage(catalog: Catalog, run: string, after: number): Promise<Page> {
  const { rows } = await catalog.use((client) =>
    // The catalog's connections leave it to MikroORM to read dates, hence the number.
    client.query<EventRow>(
      `SELECT r.ended_at IS NOT NULL AS ended, e.seq, (extract(epoch FROM e.at) * 1000)::float8 AS "atMs", e.kind,
         e.tenant_id AS "tenantId", e.migration, e.message, e.done, e.total, e.rate,
         CASE WHEN e.kind = 'RUN_ENDED' THEN 0 ELSE e.total - e.done END / e.rate AS "remainingSeconds"
       FROM migration_runs r LEFT JOIN LATERAL (
         SELECT *, CASE WHEN at > r.started_at AND done > r.skipped_at_start
           THEN (done - r.skipped_at_start) / extract(epoch FROM at - r.started_at)::float8 END AS rate
         FROM migration_events WHERE run_id = r.id AND seq > $2 ORDER BY seq LIMIT $3) e ON true
       WHERE r.id = $1 ORDER BY e.seq`,
      [run, after, PAGE],
    ),
  );
  const first = rows[0];
  if (!first) throw new AppError('NOT_FOUND', `There is no migration run ${run}`);
  // The outer join gives a row of nulls where there is no event.
  const events = first.seq === null ? [] : rows.map(toEvent);
  return { ended: first.ended, events };
}

function toEvent({ ended: _, atMs, rate, remainingSeconds, ...event }: EventRow): RunEvent {
  return {
    ...event,
    at: new Date(atMs),
    rate: rate && Number(rate.toPrecision(3)),
    remainingSeconds: remainingSeconds && Number(remainingSeconds.toFixed(1)),
  };
}

/** A bell that may ring before anyone listens. */
class Wake {
  #rung = false;
  #ring: (() => void) | undefined;

  now(): void {
    this.#rung = true;
    this.#ring?.();
  }

  async wait(timeoutMs: number): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs);
        this.#ring = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#rung = false;
    this.#ring = undefined;
  }
}
