import { randomUUID } from 'node:crypto';
import type { GraphQLError } from 'graphql';
import type { Logger } from 'pino';
import type { Services } from '../installation/services.ts';
import { redactValues } from '../postgres/sql/redact.ts';
import { asRequest, currentRequest, RequestRecord, type SentStatement } from '../telemetry/request-record.ts';
import { describeSpan, failSpan, inSpan, SpanKind, traceIdOf } from '../telemetry/tracing.ts';
import { toClientError } from './errors.ts';

/** The headers of a request. Names are in lower case. */
export interface HeaderReader {
  get(name: string): string | null;
}

/** What handling requests needs. */
export type Observers = Pick<Services, 'config' | 'log' | 'meters' | 'loads'>;

/** How many statements of a slow request are logged, and the maximum length of each, in characters. */
const SHOWN_STATEMENTS = 10;
const SHOWN_LENGTH = 500;

/** A request to be handled. */
export interface HandledRequest {
  /**
   * The headers of an HTTP request: proxies of ours may have given it an id, and the client a trace. Undefined for an operation of
   * a connection, which has an id of its own.
   */
  readonly headers?: HeaderReader;
  /** The name of its span; undefined for what is not traced, such as health checks. */
  readonly span?: string | undefined;
}

/**
 * Handles a request: gives it an id, runs the work as a part of it and, if it was an operation, counts it and writes one log
 * line about it.
 */
export function handleRequest<T>(
  services: Observers,
  { headers, span }: HandledRequest,
  work: () => Promise<T>,
): Promise<T> {
  const id = idOf(headers, services.config.http.trustedProxies);
  const handle = () => {
    const record = new RequestRecord(id, traceIdOf(headers));
    return asRequest(record, work).finally(() => finish(services, record));
  };
  return span === undefined ? handle() : inSpan(span, { kind: SpanKind.SERVER, from: headers }, handle);
}

const usableId = /^[\w-]{8,64}$/;

/** Without proxies of ours, the client could have set the id. */
function idOf(headers: HeaderReader | undefined, trustedProxies: number): string {
  const given = trustedProxies > 0 ? headers?.get('x-request-id') : undefined;
  return given != null && usableId.test(given) ? given : randomUUID();
}

/** The id of the current request. */
export function currentRequestId(): string {
  return currentRequest()?.id ?? randomUUID();
}

/** The logger of the current request, also before its caller is known. */
export function currentLog(log: Logger): Logger {
  const request = currentRequest();
  return request?.log ?? log.child({ requestId: currentRequestId(), ...traceField(request) });
}

/** Returns the error that the client sees for one that ends the current request, and notes its code. See {@link toClientError}. */
export function refuseRequest(error: unknown, log: Logger): GraphQLError {
  const refused = toClientError(error, currentRequestId(), currentLog(log));
  const request = currentRequest();
  if (request) request.code = String(refused.extensions.code);
  return refused;
}

/** The trace of a request, for its log lines. */
export function traceField(request: RequestRecord | undefined): { readonly traceId?: string } {
  return request?.traceId === undefined ? {} : { traceId: request.traceId };
}

function finish({ config, log, meters, loads }: Observers, record: RequestRecord): void {
  const { operation, code, tenant, isAuthenticated } = record;
  // Something else, such as a page or a health check.
  if (!operation && code === undefined) return;
  const durationMs = performance.now() - record.start;
  const { name, type } = operation ?? { name: undefined, type: undefined };
  meters.operation({ name, type, code, isAuthenticated, durationMs });
  if (tenant) loads.add(tenant.id, durationMs);
  const line = {
    operation: titleOf(record),
    ...(record.user !== undefined && { user: record.user }),
    durationMs: rounded(durationMs),
    statements: record.statements,
    waitMs: rounded(record.waitMs),
    failed: code !== undefined,
    ...(code !== undefined && { code }),
  };
  const own = record.log ?? log.child({ requestId: record.id, ...traceField(record) });
  if (durationMs < config.slowRequestMs) own.info(line, type === 'subscription' ? 'subscription' : 'operation');
  else own.warn({ ...line, slowest: slowestOf(record.sent) }, 'slow operation');
  describeSpan((span) => {
    if (type !== undefined) span.updateName(type);
    span.setAttribute('graphql.operation.type', type ?? 'unknown');
    if (name !== undefined) span.setAttribute('graphql.operation.name', name);
    if (tenant) span.setAttribute('tenantry.tenant', tenant.id);
    span.setAttribute('tenantry.request', record.id);
    if (code !== undefined) failSpan(code);
  });
}

function titleOf({ operation }: RequestRecord): string {
  return operation ? `${operation.type ?? 'unknown'} ${operation.name ?? '(unnamed)'}` : '(invalid)';
}

function slowestOf(sent: readonly SentStatement[]) {
  return sent
    .toSorted((a, b) => b.durationMs - a.durationMs)
    .slice(0, SHOWN_STATEMENTS)
    .map(({ text, durationMs }) => ({ ms: rounded(durationMs), sql: redactValues(text, SHOWN_LENGTH) }));
}

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}
