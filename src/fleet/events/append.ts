import type pg from 'pg';
import type { BackfillProgress } from '../../migrator/backfill/progress.ts';
import { type RunEventKind, runChannel } from './events.ts';

/** An event to append to a run. */
export interface NewRunEvent {
  readonly kind: RunEventKind;
  readonly tenantId?: string | undefined;
  readonly migration?: string | undefined;
  readonly message?: string | undefined;
  readonly backfill?: BackfillProgress;
  /** When it happened, as a `performance.now()` value of this process; if omitted, now. */
  readonly happenedAt?: number | undefined;
  /** Whether the event ends the work on a tenant. */
  readonly endsTenant?: boolean;
}

/**
 * Appends events to a run, in the order in which they happened. Their times, by the clock of `auth`, are never earlier
 * than those of events that are already stored. The function locks the run's row, so that events become visible in the
 * order of their sequence numbers. The run's counts must already include the events.
 * @param client a connection to `auth`, in a transaction
 */
export async function appendEvents(client: pg.Client, run: string, added: readonly NewRunEvent[]): Promise<void> {
  if (added.length === 0) return;
  const now = performance.now();
  const events = added.toSorted((one, other) => (one.happenedAt ?? now) - (other.happenedAt ?? now));
  const { rows } = await client.query<{ seq: number; done: number; total: number }>(
    `UPDATE migration_runs SET last_seq = last_seq + $2 WHERE id = $1
     RETURNING last_seq - $2 AS seq, succeeded + failed + skipped AS done, total`,
    [run, events.length],
  );
  const after = rows[0];
  if (!after) throw new Error(`The run ${run} is gone from the catalog`);
  let done = after.done - events.filter(({ endsTenant }) => endsTenant).length;
  const doneAfter = events.map(({ endsTenant }) => {
    if (endsTenant) done += 1;
    return done;
  });
  await client.query(
    `INSERT INTO migration_events (run_id, seq, at, kind, tenant_id, migration, message, done, total, backfill)
     SELECT $1, $2 + n, greatest(
         statement_timestamp() - age_ms * interval '1 millisecond',
         (SELECT at FROM migration_events WHERE run_id = $1 AND seq = $2)
       ), kind, tenant_id, migration, message, done, $3, backfill
     FROM unnest($4::text[], $5::uuid[], $6::text[], $7::text[], $8::int[], $9::float8[], $10::jsonb[])
       WITH ORDINALITY AS e (kind, tenant_id, migration, message, done, age_ms, backfill, n)`,
    [
      run,
      after.seq,
      after.total,
      events.map(({ kind }) => kind),
      events.map(({ tenantId }) => tenantId),
      events.map(({ migration }) => migration),
      events.map(({ message }) => message),
      doneAfter,
      events.map(({ happenedAt = now }) => now - happenedAt),
      events.map(({ backfill }) => backfill && JSON.stringify(backfill)),
    ],
  );
  await client.query('SELECT notify_if_room($1, $2)', [runChannel, run]);
}
