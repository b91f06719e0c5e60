import type pg from 'pg';

/** Wakes processes that carry out runs: there may be tenants to claim, or a run is to stop; the payload is the run's id. */
export const workChannel = 'migration_work';

/**
 * Wakes whoever carries out runs, when the transaction is committed.
 * @param client a connection to `auth`
 */
export async function wakeWorkers(client: pg.Client, run: string): Promise<void> {
  await client.query('SELECT notify_if_room($1, $2)', [workChannel, run]);
}
