import type pg from 'pg';

/**
 * The channel that wakes workers when there may be tenants to claim, or a run is stopping. The payload is the run's id.
 */
export const workChannel = 'migration_work';

/**
 * Wakes the workers when the transaction commits.
 * @param client a connection to `auth`
 */
export async function wakeWorkers(client: pg.Client, run: string): Promise<void> {
  await client.query('SELECT notify_if_room($1, $2)', [workChannel, run]);
}
