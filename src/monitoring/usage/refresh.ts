import { statusSql } from '../../catalog/steps.ts';
import { repeatUntil } from '../../lib/retry-loop.ts';
import { type MeasuredTenant, type MeasureOptions, measureTenants } from './measure.ts';

/** How often to look for tenants that are due, and the delay before the first time, in milliseconds. */
const LOOK_MS = 60_000;
/** How many tenants are measured together. */
export const PORTION = 50;
/** How many portions are measured in a row. */
const PORTIONS = 10;

/** Tenants in maintenance accept no connections, and others are about to come or go. */
const measurable = statusSql(['ACTIVE', 'SUSPENDED', 'NEEDS_ATTENTION', 'DELETED'], 't.status');

// Those that sent requests since are measured again after an hour, all others after a day.
const isDue = `u.tried_at IS NULL OR u.tried_at < now() - interval '1 day'
  OR (u.tried_at < now() - interval '1 hour' AND u.last_request_at > coalesce(u.measured_at, '-infinity'))`;

/**
 * Measures the tenants that are due, in small portions. Processes share the work.
 * @returns how many were due
 */
export async function refreshUsages(options: MeasureOptions, stop: AbortSignal): Promise<number> {
  let total = 0;
  for (let portion = 0; portion < PORTIONS && !stop.aborted; portion += 1) {
    const tenants = await claimDue(options);
    total += tenants.length;
    if (tenants.length > 0) await measureTenants(options, tenants);
    if (tenants.length < PORTION) break;
  }
  return total;
}

/** Nobody else measures a claimed tenant soon. If the process dies, it is measured when it is due again. */
async function claimDue({ catalog }: MeasureOptions): Promise<readonly MeasuredTenant[]> {
  return catalog.use(async (client) => {
    await client.query(
      `INSERT INTO tenant_usages (tenant_id)
       SELECT t.id FROM tenants t WHERE ${measurable} AND NOT EXISTS (SELECT FROM tenant_usages WHERE tenant_id = t.id)
       ORDER BY t.id LIMIT ${PORTION} FOR KEY SHARE SKIP LOCKED ON CONFLICT DO NOTHING`,
    );
    const { rows } = await client.query<MeasuredTenant>(
      `WITH due AS (
         SELECT u.tenant_id FROM tenant_usages u JOIN tenants t ON t.id = u.tenant_id WHERE ${measurable} AND (${isDue})
         ORDER BY u.tried_at NULLS FIRST LIMIT ${PORTION} FOR UPDATE OF u SKIP LOCKED)
       UPDATE tenant_usages u SET tried_at = now() FROM due, tenants t
       WHERE u.tenant_id = due.tenant_id AND t.id = due.tenant_id
       RETURNING t.id, t.isolation, t.server, t.database, t.schema`,
    );
    return rows;
  });
}

/** Measures tenants now and then, until it is disposed of. */
export function startUsageRefresh(options: MeasureOptions): AsyncDisposable {
  const stop = new AbortController();
  const done = repeatUntil(
    stop.signal,
    async () => {
      await refreshUsages(options, stop.signal);
    },
    LOOK_MS,
    (err) => options.log.warn({ err }, 'could not measure tenants; will try again'),
    LOOK_MS,
  );
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await done;
    },
  };
}
