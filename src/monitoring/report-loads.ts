import type { Logger } from 'pino';
import type { Catalog } from '../catalog/catalog.ts';
import type { TenantLoads } from '../telemetry/tenant-load.ts';

/** How often a process reports, in milliseconds. */
const REPORT_MS = 10_000;

/** What reporting needs. */
export interface ReportLoadsOptions {
  readonly catalog: Pick<Catalog, 'use'>;
  /** The number of this process; see `Listener.instance`. */
  readonly instance: number;
  readonly loads: TenantLoads;
  readonly log: Logger;
}

// Rows of processes that have ended are of no use after a while. Those that are locked are skipped: two processes that report for the first
// time after a while would each wait for the other one, which replaces its own row and removes that of the first.
const reportSql = `
  WITH old AS (
    DELETE FROM tenant_loads WHERE instance IN (
      SELECT instance FROM tenant_loads WHERE reported_at < now() - interval '10 minutes' AND instance <> $1
      FOR UPDATE SKIP LOCKED))
  INSERT INTO tenant_loads (instance, period_ms, loads) VALUES ($1, $2, $3)
  ON CONFLICT (instance) DO UPDATE SET reported_at = now(), period_ms = excluded.period_ms, loads = excluded.loads`;

/**
 * Writes to the catalog which tenants this process has been busy with, so that every process and command can find the busiest
 * ones of all. A process without requests writes nothing.
 * @returns a disposable that ends it and waits for the last report
 */
export function reportLoads({ catalog, instance, loads, log }: ReportLoadsOptions): AsyncDisposable {
  let isReported = false;
  let reporting: Promise<void> | undefined;
  const report = async () => {
    const { loads: taken, periodMs } = loads.take();
    if (taken.size === 0 && !isReported) return;
    const list = [...taken].map(([tenant, { requests, durationMs }]) => ({ tenant, requests, ms: durationMs }));
    await catalog.use((client) => client.query(reportSql, [instance, periodMs, JSON.stringify(list)]));
    isReported = taken.size > 0;
  };
  const timer = setInterval(() => {
    reporting ??= report()
      .catch((err: unknown) => log.warn({ err }, 'could not report the busiest tenants'))
      .finally(() => {
        reporting = undefined;
      });
  }, REPORT_MS).unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await reporting;
    },
  };
}
