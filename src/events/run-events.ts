import type { Catalog } from '../catalog/catalog.ts';
import { AppError } from '../errors.ts';
import type { Listener } from '../postgres/listener.ts';

/** Something that happened in a run, in the order of `seq`, which counts from 1 without gaps. */
export interface RunEvent {
  readonly seq: number;
  readonly at: Date;
  readonly kind: RunEventKind;
  readonly tenantId: string | null;
  readonly migration: string | null;
  readonly message: string | null;
  /** Tenants that are done, well or not, and all tenants of the run. */
  readonly done: number;
  readonly total: number;
}

/** What can happen in a run. */
export type RunEventKind =
  | 'RUN_STARTED'
  | 'TENANTS_SKIPPED'
  | 'TENANT_STARTED'
  | 'TENANT_RETRYING'
  | 'MIGRATION_APPLIED'
  | 'TENANT_SUCCEEDED'
  | 'TENANT_SKIPPED'
  | 'TENANT_FAILED'
  | 'RUN_ENDED';

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
  const wake = new Wake();
  const unsubscribe = listener.on(runChannel, (payload) => {
    if (payload === undefined || payload === run) wake.now();
  });
  const stop = () => wake.now();
  signal?.addEventListener('abort', stop);
  try {
    for (let seen = after; !signal?.aborted; ) {
      const { events, ended } = await readPage(catalog, run, seen);
      for (const event of events) {
        yield event;
        seen = event.seq;
      }
      if (events.length === PAGE) continue;
      if (ended) return;
      await wake.wait(POLL_MS);
    }
  } finally {
    unsubscribe();
    signal?.removeEventListener('abort', stop);
  }
}

/** One statement, so that `ended` cannot be newer than the events: an ended run has no events beyond the page. */
async function readPage(catalog: Catalog, run: string, after: number): Promise<Page> {
  const { rows } = await catalog.use((client) =>
    client.query<RunEvent & { ended: boolean }>(
      `SELECT r.ended_at IS NOT NULL AS ended, e.seq, e.at, e.kind, e.tenant_id AS "tenantId", e.migration, e.message, e.done, e.total
       FROM migration_runs r LEFT JOIN LATERAL (
         SELECT * FROM migration_events WHERE run_id = r.id AND seq > $2 ORDER BY seq LIMIT $3) e ON true
       WHERE r.id = $1 ORDER BY e.seq`,
      [run, after, PAGE],
    ),
  );
  const first = rows[0];
  if (!first) throw new AppError('NOT_FOUND', `There is no migration run ${run}`);
  return { ended: first.ended, events: first.seq === null ? [] : rows.map(({ ended: _, ...event }) => event) };
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
