import type { Logger } from 'pino';
import { Gauge, Registry } from 'prom-client';
import { tenantStatuses } from '../catalog/entities/tenant.entity.ts';
import { openRunStatuses } from '../catalog/run-status.ts';
import { withTimeLimit } from '../lib/time.ts';
import type { FleetFigures } from './fleet-figures.ts';

/** The minimum interval between reads of the catalog, however often metrics are requested, in milliseconds. */
const CACHE_MS = 15_000;
/** How long a request for metrics waits for the catalog, in milliseconds. */
const WAIT_MS = 3_000;

/**
 * The metrics of the fleet. They are the same in all processes, so they are read by the one that is asked. While the catalog
 * cannot be read, they keep their last values, and `tenantry_fleet_read_timestamp_seconds` says how old these are.
 */
export class FleetGauges {
  readonly #registry = new Registry();
  readonly #read: () => Promise<FleetFigures>;
  readonly #log: Logger;
  readonly #gauges: readonly ((figures: FleetFigures) => void)[];
  #reading: Promise<void> | undefined;
  #readAt = Number.NEGATIVE_INFINITY;

  constructor(read: () => Promise<FleetFigures>, log: Logger) {
    this.#read = read;
    this.#log = log;
    this.#gauges = [
      this.#several('tenantry_tenants', 'Tenants by status', 'status', ({ statuses }) =>
        withAll(tenantStatuses, statuses),
      ),
      this.#several(
        'tenantry_tenants_by_version',
        'Tenants by their newest migration',
        'version',
        ({ versions }) => versions,
      ),
      this.#single('tenantry_tenants_behind', 'Tenants that lack a migration of this code', ({ behind }) => behind),
      this.#several('tenantry_runs_unfinished', 'Migration runs that have not ended, by status', 'status', ({ runs }) =>
        withAll(openRunStatuses, runs),
      ),
      this.#single(
        'tenantry_run_oldest_unfinished_age_seconds',
        'Age of the oldest migration run that has not ended; 0 if there is none',
        ({ oldestRunSeconds }) => oldestRunSeconds,
      ),
      this.#several(
        'tenantry_run_tenants',
        'Tenants of migration runs that have not ended, by status; open: they wait or are being migrated',
        'status',
        ({ runTenants }) => runTenants,
      ),
      this.#single(
        'tenantry_fleet_read_timestamp_seconds',
        'When the catalog was last read for the metrics of the fleet',
        ({ readAt }) => readAt,
      ),
    ];
  }

  /** Returns them in Prometheus' text format; empty if the catalog was never read. Never rejects. */
  async text(): Promise<string> {
    if (performance.now() - this.#readAt >= CACHE_MS) {
      this.#reading ??= this.#refresh().finally(() => {
        this.#reading = undefined;
      });
      await withTimeLimit(this.#reading, WAIT_MS, 'too slow').catch(() => undefined);
    }
    return this.#readAt === Number.NEGATIVE_INFINITY ? '' : this.#registry.metrics();
  }

  async #refresh(): Promise<void> {
    try {
      const figures = await this.#read();
      for (const update of this.#gauges) update(figures);
      this.#readAt = performance.now();
    } catch (err) {
      this.#log.warn({ err }, 'could not read the metrics of the fleet from the catalog');
    }
  }

  #single(name: string, help: string, read: (figures: FleetFigures) => number) {
    const gauge = new Gauge({ name, help, registers: [this.#registry] });
    return (figures: FleetFigures) => gauge.set(read(figures));
  }

  #several(name: string, help: string, label: string, read: (figures: FleetFigures) => ReadonlyMap<string, number>) {
    const gauge = new Gauge({ name, help, labelNames: [label], registers: [this.#registry] });
    return (figures: FleetFigures) => {
      gauge.reset();
      for (const [value, count] of read(figures)) gauge.set({ [label]: value }, count);
    };
  }
}

/** So that an alert sees 0 instead of nothing. */
function withAll(statuses: readonly string[], counts: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  return new Map([...statuses.map((status) => [status, 0] as const), ...counts]);
}
