import type pg from 'pg';
import { instruments } from '../telemetry/instruments.ts';
import type { Meters } from '../telemetry/meters.ts';
import { currentRequest } from '../telemetry/request-record.ts';
import { currentContext, isTracing, recordSpan, SpanKind } from '../telemetry/tracing.ts';
import { redactValues } from './sql/redact.ts';

/** The maximum length of a statement in a span, in characters. */
const MAX_TEXT = 2_000;

/** Where statements are observed: on a server, counted by `meters`. */
export interface StatementObserver {
  readonly server: string;
  readonly meters: Meters;
}

/**
 * Measures the statements of a connection: for the counters, for the record of the request that sends them and, if spans are
 * recorded, for its trace.
 */
export function observeStatements(client: pg.Client, { server, meters }: StatementObserver): void {
  if (!instruments.isOn) return;
  const send: (...args: unknown[]) => unknown = client.query.bind(client);
  const observed = (...args: unknown[]) => {
    const startMs = performance.now();
    const result = send(...args);
    if (!(result instanceof Promise)) return result;
    const request = currentRequest();
    const parent = isTracing() ? currentContext() : undefined;
    const done = (error?: unknown) => {
      const endMs = performance.now();
      const durationMs = endMs - startMs;
      meters.statement(server, request !== undefined, durationMs);
      request?.addStatement(textOf(args[0]), durationMs);
      if (!parent) return;
      const text = textOf(args[0]);
      const attributes = () => statementAttributes(text, client);
      const details = { kind: SpanKind.CLIENT, attributes, error };
      recordSpan(spanNameOf(text), { startMs, endMs }, details, parent);
    };
    result.then(() => done(), done);
    return result;
  };
  // node-postgres declares one overload for each way of calling it.
  client.query = observed as typeof client.query;
}

/**
 * The attributes of a statement's span.
 * @see https://opentelemetry.io/docs/specs/semconv/database/postgresql/
 */
export function statementAttributes(text: string, { host, port, database }: pg.Client) {
  return {
    'db.system.name': 'postgresql',
    'db.query.text': redactValues(text, MAX_TEXT),
    'server.address': host,
    'server.port': port,
    ...(database !== undefined && { 'db.namespace': database }),
  };
}

/** The name of a statement's span: its first word. */
export function spanNameOf(text: string): string {
  return /^\s*([A-Za-z]{1,20})\b/.exec(text)?.[1]?.toUpperCase() ?? 'SQL';
}

function textOf(query: unknown): string {
  const text: unknown = typeof query === 'object' && query !== null ? Reflect.get(query, 'text') : query;
  return typeof text === 'string' ? text : '';
}
