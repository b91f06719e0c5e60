import {
  type Attributes,
  type Context,
  context,
  isSpanContextValid,
  ProxyTracerProvider,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';

export { type Context as TraceContext, SpanKind } from '@opentelemetry/api';

import { instruments } from './instruments.ts';

const NAME = 'tenantry';

/**
 * The tracer of the OpenTelemetry SDK that the process was started with; undefined without one. Asked each time, because
 * without an SDK nothing else must be done: no span, no attributes.
 */
function activeTracer(): Tracer | undefined {
  if (!instruments.isOn) return undefined;
  const provider = trace.getTracerProvider();
  return provider instanceof ProxyTracerProvider ? provider.getDelegateTracer(NAME) : provider.getTracer(NAME);
}

/** Whether spans are recorded. */
export function isTracing(): boolean {
  return activeTracer() !== undefined;
}

/** How a span begins. */
export interface SpanStart {
  readonly kind?: SpanKind;
  /** Only computed if spans are recorded. */
  readonly attributes?: () => Attributes;
  /** The headers of a request that may say which trace it belongs to; by default the span belongs to the current one. */
  readonly from?: TraceHeaders | undefined;
}

/** Headers by their lower-case names, such as `traceparent`. */
export interface TraceHeaders {
  get(name: string): string | null;
}

const fromHeaders = {
  get: (headers: TraceHeaders, name: string) => headers.get(name) ?? undefined,
  keys: () => [],
};

/**
 * Runs work in a span. Without an SDK it only runs the work. A failure of the work marks the span.
 * @param name must not contain values
 */
export function inSpan<T>(name: string, start: SpanStart, work: () => Promise<T>): Promise<T> {
  const tracer = activeTracer();
  if (!tracer) return work();
  const parent = start.from ? propagation.extract(context.active(), start.from, fromHeaders) : context.active();
  const options = { kind: start.kind ?? SpanKind.INTERNAL, attributes: start.attributes?.() ?? {} };
  return tracer.startActiveSpan(name, options, parent, async (span) => {
    try {
      return await work();
    } catch (error) {
      markFailed(span, error);
      throw error;
    } finally {
      span.end();
    }
  });
}

/** Names the current span and adds to it, once more is known. Does nothing without an SDK. */
export function describeSpan(describe: (span: Span) => void): void {
  const span = isTracing() ? trace.getActiveSpan() : undefined;
  if (span) describe(span);
}

/**
 * Records a span that is over. It is left out if there is no current span: background work would fill the traces.
 * @returns the context of what was done in the span
 */
export function recordSpan(
  name: string,
  times: { readonly startMs: number; readonly endMs: number },
  details: { readonly kind: SpanKind; readonly attributes: () => Attributes; readonly error?: unknown },
  parent: Context = context.active(),
): Context {
  const tracer = activeTracer();
  if (!tracer || !trace.getSpan(parent)) return parent;
  const { kind, attributes, error } = details;
  const startTime = performance.timeOrigin + times.startMs;
  const span = tracer.startSpan(name, { kind, attributes: attributes(), startTime }, parent);
  if (error !== undefined) markFailed(span, error);
  span.end(performance.timeOrigin + times.endMs);
  return trace.setSpan(parent, span);
}

/** The context that spans of the current work belong to, for {@link recordSpan} at a later time. */
export function currentContext(): Context {
  return context.active();
}

/** Runs work that belongs to no trace, such as a loop that one request happened to start. */
export function withoutTrace<T>(work: () => T): T {
  return context.with(ROOT_CONTEXT, work);
}

/** Only the kind of error: messages of PostgreSQL may contain values. */
function markFailed(span: Span, error: unknown): void {
  const code = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined;
  const type = typeof code === 'string' ? code : error instanceof Error ? error.name : 'unknown';
  span.setStatus({ code: SpanStatusCode.ERROR });
  span.setAttribute('error.type', type);
}

/** Marks the current span as failed. */
export function failSpan(type: string): void {
  describeSpan((span) => {
    span.setStatus({ code: SpanStatusCode.ERROR });
    span.setAttribute('error.type', type);
  });
}

/** What is passed on. Not `baggage`, which a client could fill with anything. */
const passedOn: ReadonlySet<string> = new Set(['traceparent', 'tracestate']);

/** The headers that tell another service, or whoever continues the work, which trace it belongs to; empty without one. */
export function traceHeaders(): Record<string, string> {
  const headers: Record<string, string> = {};
  propagation.inject(context.active(), headers);
  return Object.fromEntries(Object.entries(headers).filter(([name]) => passedOn.has(name)));
}

/** Headers that {@link traceHeaders} has returned, maybe in another process. */
export function asTraceHeaders(headers: Readonly<Record<string, string>> | undefined): TraceHeaders | undefined {
  return headers && { get: (name) => headers[name] ?? null };
}

const traceparent = /^[\da-f]{2}-([\da-f]{32})-[\da-f]{16}-[\da-f]{2}/;

/**
 * The id of the trace that a request belongs to, for its log lines. It comes from the current span or, without an SDK,
 * from the header `traceparent`.
 * @see https://www.w3.org/TR/trace-context/#traceparent-header
 */
export function traceIdOf(headers: TraceHeaders | undefined): string | undefined {
  const active = isTracing() ? trace.getActiveSpan()?.spanContext() : undefined;
  if (active && isSpanContextValid(active)) return active.traceId;
  const header = headers?.get('traceparent');
  return header ? traceparent.exec(header)?.[1] : undefined;
}
