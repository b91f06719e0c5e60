import type { Logger } from 'pino';
import { isLocalHost } from '../api/cors.ts';
import type { MetricsPage } from '../api/plugins/metrics-route.ts';
import type { Config } from '../config/config.ts';
import type { Services } from '../installation/services.ts';
import { type Meters, noMeters } from '../telemetry/meters.ts';
import type { ChildProcess } from './child-process.ts';
import { openMetricsListener } from './metrics-listener.ts';

/** The metrics of this process and of those beside it. */
export interface Metrics {
  /** What they are counted with. */
  readonly meters: Meters;
  readonly contentType: string;
  /** Returns them in Prometheus' text format. */
  text(): Promise<string>;
  /** Adds the state of the installation, and of the fleet. */
  watch(services: Pick<Services, 'servers' | 'listener' | 'catalog' | 'fleet' | 'log'>): void;
}

/**
 * Creates the metrics, and serves them at METRICS_PORT if that is set. Returns undefined if they are off.
 * @param child this process, if it runs beside others
 * @param stack receives what must be closed
 * @throws {Error} if the port cannot be opened
 */
export async function openMetrics(
  { metrics: { isOn, port, host, token } }: Config,
  { child, log }: { readonly child: ChildProcess | undefined; readonly log: Logger },
  stack: AsyncDisposableStack,
): Promise<Metrics | undefined> {
  if (!isOn) return undefined;
  // Imported late, so that commands start faster.
  const { ProcessMeters } = await import('../monitoring/process-meters.ts');
  const { addProcessGauges } = await import('../monitoring/process-gauges.ts');
  const { exposeProcesses, metricsContentType } = await import('../monitoring/exposition.ts');
  const { FleetGauges } = await import('../monitoring/fleet-gauges.ts');
  const { readFleetFigures } = await import('../monitoring/fleet-figures.ts');
  const { joinGathering } = await import('./gather.ts');
  const meters = new ProcessMeters();
  const own = () => meters.registry.getMetricsAsJSON();
  const gather = child ? joinGathering(own) : async () => [{ process: 1, metrics: await own() }];
  let fleet: InstanceType<typeof FleetGauges> | undefined;
  const metrics: Metrics = {
    meters,
    contentType: metricsContentType,
    text: async () => {
      const [processes, ofFleet] = await Promise.all([gather().then(exposeProcesses), fleet?.text()]);
      return `${processes}\n${ofFleet ?? ''}`;
    },
    watch({ servers, listener, catalog, fleet: overview, log }) {
      addProcessGauges(meters.registry, { servers, listener });
      fleet = new FleetGauges(() => readFleetFigures(overview, catalog), log);
    },
  };
  if (port !== undefined) stack.use(await openMetricsListener({ ...metrics, port, host, token }, log));
  return metrics;
}

/** The counters of metrics that may be off. */
export function metersOf(metrics: Metrics | undefined): Meters {
  return metrics?.meters ?? noMeters;
}

/** The metrics as the server's own port shows them; undefined if it does not. */
export function metricsPage(
  metrics: Metrics | undefined,
  { metrics: { port, token }, environment, http }: Config,
): MetricsPage | undefined {
  const isOpen = environment !== 'production' && isLocalHost(http.host);
  if (!metrics || port !== undefined || (token === undefined && !isOpen)) return undefined;
  return { text: metrics.text, contentType: metrics.contentType, token };
}
