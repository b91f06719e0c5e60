import type pg from 'pg';

/**
 * Forgets what was measured of a tenant whose rows are others now, so that it is measured again as soon as a worker looks or somebody
 * asks. The time of its last request stays.
 * @param client a connection to `auth`
 */
export async function forgetUsage(client: pg.Client, tenantId: string): Promise<void> {
  await client.query('UPDATE tenant_usages SET tried_at = NULL, measured_at = NULL WHERE tenant_id = $1', [tenantId]);
}
