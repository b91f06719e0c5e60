import type { Logger } from 'pino';
import type { Catalog } from '../../catalog/catalog.ts';
import type { LastRequests } from '../../telemetry/last-requests.ts';

/** How often a process writes which tenants have sent requests, in milliseconds. */
const REPORT_MS = 60_000;

// Rows are written in one order, so that two processes cannot wait for each other. A tenant may be gone already.
const reportSql = `
  INSERT INTO tenant_usages AS u (tenant_id, last_request_at)
  SELECT t.id, to_timestamp(r.ms / 1000) FROM unnest($1::uuid[], $2::float8[]) AS r (id, ms) JOIN tenants t ON t.id = r.id
  ORDER BY t.id FOR KEY SHARE OF t
  ON CONFLICT (tenant_id) DO UPDATE SET last_request_at = greatest(u.last_request_at, excluded.last_request_at)`;

/** Writes to the catalog when the tenants of this process last sent a request. */
export async function writeLastRequests(catalog: Pick<Catalog, 'use'>, lastRequests: LastRequests): Promise<void> {
  const times = lastRequests.take();
  if (times.size === 0) return;
  try {
    await catalog.use((client) => client.query(reportSql, [[...times.keys()], [...times.values()]]));
  } catch (error) {
    lastRequests.giveBack(times);
    throw error;
  }
}

/**
 * Writes the times of requests once a minute.
 * @returns a disposable that ends it and writes the last ones
 */
export function reportLastRequests(
  catalog: Pick<Catalog, 'use'>,
  lastRequests: LastRequests,
  log: Logger,
): AsyncDisposable {
  let reporting: Promise<void> | undefined;
  const report = () => {
    reporting ??= writeLastRequests(catalog, lastRequests)
      .catch((err: unknown) => log.warn({ err }, "could not write the times of tenants' requests"))
      .finally(() => {
        reporting = undefined;
      });
    return reporting;
  };
  const timer = setInterval(() => void report(), REPORT_MS).unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await reporting;
      await report();
    },
  };
}
