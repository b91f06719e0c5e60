import type pg from 'pg';
import { type RunEventKind, runChannel } from './run-events.ts';

/** Something that has happened in a run and is to be told. */
export interface NewRunEvent {
  readonly kind: RunEventKind;
  readonly tenantId?: string | undefined;
  readonly migration?: string | undefined;
  readonly message?: string | undefined;
  /** Whether a tenant has ended with it. */
  readonly endsTenant?: boolean;
}

/**
 * Appends events to a run. The run's row is locked by it, so that sequence numbers are given in the order in which they
 * become visible. Its counts must be those after the events.
 * @param client a connection to `auth`, in a transaction
 */
export async function appendEvents(client: pg.Client, run: string, events: readonly NewRunEvent[]): Promise<void> {
  if (events.length === 0) return;
  const { rows } = await client.query<{ seq: number; done: number; total: number }>(
    `UPDATE migration_runs SET last_seq = last_seq + $2 WHERE id = $1
     RETURNING last_seq - $2 AS seq, succeeded + failed + skipped + cancelled AS done, total`,
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
    `INSERT INTO migration_events (run_id, seq, at, kind, tenant_id, migration, message, done, total)
     SELECT $1, $2 + n, clock_timestamp(), kind, tenant_id, migration, message, done, $3
     FROM unnest($4::text[], $5::uuid[], $6::text[], $7::text[], $8::int[])
       WITH ORDINALITY AS e (kind, tenant_id, migration, message, done, n)`,
    [
      run,
      after.seq,
      after.total,
      events.map(({ kind }) => kind),
      events.map(({ tenantId }) => tenantId),
      events.map(({ migration }) => migration),
      events.map(({ message }) => message),
      doneAfter,
    ],
  );
  await client.query('SELECT pg_notify($1, $2)', [runChannel, run]);
}
