import type { Catalog } from '../../catalog/catalog.ts';
import { AppError } from '../../lib/errors.ts';
import type { BackfillProgress } from '../../migrator/backfill/progress.ts';
import { EVENT_PAGE, type EventPage, followEvents } from '../../postgres/follow-events.ts';
import type { Listener } from '../../postgres/listener.ts';

/** An event of a run. Events are ordered by `seq`, which counts from 1 without gaps. */
export interface RunEvent {
  readonly seq: number;
  readonly at: Date;
  readonly kind: RunEventKind;
  readonly tenantId: string | null;
  readonly migration: string | null;
  readonly message: string | null;
  /**
   * The number of tenants that have finished, successfully or not, without those that were never started; and the
   * total.
   */
  readonly done: number;
  readonly total: number;
  /** Tenants per second since the run started, without those skipped at the start; null while it is unknown. */
  readonly rate: number | null;
  /** The estimated remaining time at that rate, in seconds; 0 when the run has ended. */
  readonly remainingSeconds: number | null;
  /** How far a backfill of the tenant is; null for other events. */
  readonly backfill: BackfillProgress | null;
}

/** The kinds of events of a run, with their descriptions. */
export const runEventKinds = {
  RUN_STARTED: { description: 'The run was created.' },
  RUN_WARNING: { description: 'A problem that does not stop the run, such as a process that cannot work on it.' },
  TENANTS_SKIPPED: { description: 'Tenants were skipped because, according to the catalog, there is nothing to do.' },
  WAVE_STARTED: { description: 'The next wave started.' },
  TENANT_STARTED: { description: 'Work on a tenant started.' },
  TENANT_WARNING: {
    description: 'A problem that does not stop the tenant, such as a file dated before an applied migration.',
  },
  TENANT_RETRYING: {
    description: 'An attempt failed with a retryable error, or its process died. The tenant will be retried.',
  },
  MIGRATION_APPLIED: { description: 'A migration was applied; in a dry run, it was tried and rolled back.' },
  MIGRATION_REVERTED: { description: 'A migration was reverted, for example because a later one failed.' },
  BACKFILL_PROGRESS: {
    description:
      'How far a backfill is in a tenant, every few seconds. The field backfill has the numbers, unless it is paused.',
  },
  TENANT_SUCCEEDED: { description: 'All migrations of the run are done for this tenant.' },
  TENANT_SKIPPED: {
    description:
      'There was nothing to do, or a dry run could not try the migrations. In that case, the message says why.',
  },
  TENANT_FAILED: {
    description:
      'The tenant failed. It is unchanged, unless the message says that it needs attention. Batches of a backfill, and what came before it, stay.',
  },
  RUN_CANCELLED: { description: 'The run was cancelled. Tenants in progress still finish, but backfills pause.' },
  RUN_RESUMED: { description: 'The run was resumed with its failed, cancelled and unstarted tenants.' },
  RUN_ENDED: { description: 'The run ended. No event follows unless it is resumed.' },
} as const;
export type RunEventKind = keyof typeof runEventKinds;

/** The channel on which writers notify readers of new events. The payload is the run's id. */
export const runChannel = 'migration_runs';

/**
 * Yields the events of a run after `after`: first the stored ones, then each new one, until the run ends. It holds no
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

/** Like {@link followRun}, but yields pages of events, so that callers can load related rows for a page at once. */
export async function* followRunInPages(
  catalog: Catalog,
  listener: Listener,
  run: string,
  after = 0,
  signal?: AbortSignal,
): AsyncGenerator<readonly RunEvent[], void, undefined> {
  const read = (seen: number) => readPage(catalog, run, seen);
  yield* followEvents({ listener, channel: runChannel, id: run, read }, after, signal);
}

type EventRow = Omit<RunEvent, 'at' | 'backfill'> & {
  readonly atMs: number;
  readonly ended: boolean;
  readonly backfill: string | null;
};

/** Uses one statement, so that `ended` is never newer than the events: an ended run has no events beyond the page. */
async function readPage(catalog: Catalog, run: string, after: number): Promise<EventPage<RunEvent>> {
  const { rows } = await catalog.use((client) =>
    // The catalog's connections leave the parsing of dates to MikroORM, so the time is read as a number.
    client.query<EventRow>(
      `SELECT r.ended_at IS NOT NULL AS ended, e.seq, (extract(epoch FROM e.at) * 1000)::float8 AS "atMs", e.kind,
         e.tenant_id AS "tenantId", e.migration, e.message, e.done, e.total, e.rate, e.backfill::text,
         CASE WHEN e.kind = 'RUN_ENDED' THEN 0 ELSE e.total - e.done END / e.rate AS "remainingSeconds"
       FROM migration_runs r LEFT JOIN LATERAL (
         SELECT *, CASE WHEN at > r.started_at AND done > r.skipped_at_start
           THEN (done - r.skipped_at_start) / extract(epoch FROM at - r.started_at)::float8 END AS rate
         FROM migration_events WHERE run_id = r.id AND seq > $2 ORDER BY seq LIMIT $3) e ON true
       WHERE r.id = $1 ORDER BY e.seq`,
      [run, after, EVENT_PAGE],
    ),
  );
  const first = rows[0];
  if (!first) throw new AppError('NOT_FOUND', `There is no migration run ${run}`);
  // Without events, the outer join returns one row of nulls.
  const events = first.seq === null ? [] : rows.map(toEvent);
  return { ended: first.ended, events };
}

function toEvent({ ended: _, atMs, rate, remainingSeconds, backfill, ...event }: EventRow): RunEvent {
  return {
    ...event,
    at: new Date(atMs),
    rate: rate && Number(rate.toPrecision(3)),
    remainingSeconds: remainingSeconds && Number(remainingSeconds.toFixed(1)),
    // appendEvents has written it.
    backfill: backfill === null ? null : JSON.parse(backfill),
  };
}
