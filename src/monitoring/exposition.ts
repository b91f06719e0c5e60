import { AggregatorRegistry, Registry } from 'prom-client';
import type { ProcessMetrics } from './process-meters.ts';

/** The metrics of one of several processes that serve at the same port. */
export interface ProcessReport {
  /** Its number, from 1. A process that replaces another one has the same. */
  readonly process: number;
  readonly metrics: ProcessMetrics;
}

/** The content type of the text. */
export const metricsContentType = Registry.PROMETHEUS_CONTENT_TYPE;

/**
 * Returns the metrics of processes in Prometheus' text format, each with the label `process`. They are not summed up: the
 * counters of a process that has ended start at zero in the one that replaces it, and Prometheus must see that to compute rates.
 */
export function exposeProcesses(reports: readonly ProcessReport[]): Promise<string> {
  const labelled = reports.map(({ process, metrics }) =>
    metrics.map((metric) => ({
      ...metric,
      // By default some are left out, because they have no meaningful sum.
      aggregator: 'sum',
      values: metric.values.map((value) => ({ ...value, labels: { ...value.labels, process: String(process) } })),
    })),
  );
  return AggregatorRegistry.aggregate(labelled).metrics();
}
