import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { productVersion } from '../lib/version.ts';
import type { FinishedOperation, Meters } from '../telemetry/meters.ts';
import { invalidOperation, OperationNames } from './operation-names.ts';

/** The values of all metrics of one process. */
export type ProcessMetrics = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

const requestSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const statementSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const waitSeconds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const tenantSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 15, 60, 300, 1800];

/** The counters of one process, for Prometheus. */
export class ProcessMeters implements Meters {
  readonly registry = new Registry();
  readonly #names = new OperationNames();
  readonly #requests = new Counter({
    name: 'tenantry_requests_total',
    help: 'GraphQL operations by name, type, outcome and the code of their first error',
    labelNames: ['operation', 'type', 'outcome', 'code'] as const,
    registers: [this.registry],
  });
  readonly #requestDurations = new Histogram({
    name: 'tenantry_request_duration_seconds',
    help: 'Duration of GraphQL operations; of subscriptions until they start',
    labelNames: ['operation', 'type'] as const,
    buckets: requestSeconds,
    registers: [this.registry],
  });
  readonly #statementDurations = new Histogram({
    name: 'tenantry_statement_duration_seconds',
    help: 'Duration of SQL statements, sent by requests or by background work, by PostgreSQL server',
    labelNames: ['server', 'source'] as const,
    buckets: statementSeconds,
    registers: [this.registry],
  });
  readonly #waits = new Histogram({
    name: 'tenantry_connection_wait_seconds',
    help: 'How long callers waited for a connection when none was idle, including the time to open one, by PostgreSQL server',
    labelNames: ['server'] as const,
    buckets: waitSeconds,
    registers: [this.registry],
  });
  readonly #refusals = new Counter({
    name: 'tenantry_connection_timeouts_total',
    help: 'Callers who got no connection within CONNECTION_WAIT_MS, by PostgreSQL server',
    labelNames: ['server'] as const,
    registers: [this.registry],
  });
  readonly #signIns = new Counter({
    name: 'tenantry_sign_ins_total',
    help: 'Attempts to sign in, by method and outcome',
    labelNames: ['method', 'outcome'] as const,
    registers: [this.registry],
  });
  readonly #keyFetches = new Counter({
    name: 'tenantry_jwks_fetches_total',
    help: 'Requests for the published keys of identity providers, by issuer and outcome',
    labelNames: ['issuer', 'outcome'] as const,
    registers: [this.registry],
  });
  readonly #keysFetchedAt = new Gauge({
    name: 'tenantry_jwks_last_success_timestamp_seconds',
    help: 'When the keys of an identity provider were last fetched',
    labelNames: ['issuer'] as const,
    registers: [this.registry],
  });
  readonly #runTenants = new Histogram({
    name: 'tenantry_run_tenant_duration_seconds',
    help: 'Duration of attempts at tenants of migration runs, by outcome; released: left for another attempt',
    labelNames: ['outcome'] as const,
    buckets: tenantSeconds,
    registers: [this.registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.registry });
    new Gauge({
      name: 'tenantry_build_info',
      help: 'Always 1; the labels say what is running',
      labelNames: ['version', 'node'] as const,
      registers: [this.registry],
    }).set({ version: productVersion, node: process.version }, 1);
  }

  operation({ name, type, code, isAuthenticated, durationMs }: FinishedOperation): void {
    const operation = type === undefined ? invalidOperation : this.#names.labelOf(name, isAuthenticated);
    const labels = { operation, type: type ?? 'unknown' };
    this.#requests.inc({ ...labels, outcome: code === undefined ? 'ok' : 'error', code: code ?? '' });
    this.#requestDurations.observe(labels, durationMs / 1000);
  }

  statement(server: string, isOfRequest: boolean, durationMs: number): void {
    this.#statementDurations.observe({ server, source: isOfRequest ? 'request' : 'background' }, durationMs / 1000);
  }

  connectionWait(server: string, durationMs: number): void {
    this.#waits.observe({ server }, durationMs / 1000);
  }

  connectionRefused(server: string): void {
    this.#refusals.inc({ server });
  }

  signIn(method: string, outcome: string): void {
    this.#signIns.inc({ method, outcome });
  }

  keysFetched(issuer: string, isOk: boolean): void {
    this.#keyFetches.inc({ issuer, outcome: isOk ? 'ok' : 'failed' });
    if (isOk) this.#keysFetchedAt.setToCurrentTime({ issuer });
  }

  runTenant(outcome: string, durationMs: number): void {
    this.#runTenants.observe({ outcome }, durationMs / 1000);
  }
}
