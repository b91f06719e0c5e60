import type { Catalog } from './catalog.ts';

/** How long after a maintenance connections may still be found broken by it. */
const AFTERMATH = '1 minute';

/** Whether a tenant's database is being copied or replaced, or was a moment ago. */
export async function isMaintained(catalog: Catalog, tenantId: string): Promise<boolean> {
  const { rows } = await catalog.use((client) =>
    client.query<{ maintained: boolean }>(
      `SELECT status = 'MAINTENANCE' OR coalesce(maintained_at > now() - interval '${AFTERMATH}', false) AS maintained
       FROM tenants WHERE id = $1`,
      [tenantId],
    ),
  );
  return rows[0]?.maintained ?? false;
}
