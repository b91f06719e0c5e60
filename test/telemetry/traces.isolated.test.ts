import { trace } from '@opentelemetry/api';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Listening, listen } from '../support/listen.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentId = '00f067aa0ba902b7';
const traceparent = `00-${traceId}-${parentId}-01`;
const price = '98765.25';

describe('traces', () => {
  const exporter = new InMemorySpanExporter();
  const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const lines: string[] = [];
  let app: TestApp;
  let server: Listening;
  beforeAll(async () => {
    provider.register();
    app = await startTestApp({}, { log: pino({ level: 'info' }, { write: (line: string) => lines.push(line) }) });
    server = await listen(app.yoga);
    await app.ask(
      'mutation { createTenant(input: { slug: "acme", name: "Acme", isolation: SCHEMA }) { id } }',
      app.admin,
    );
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await app[Symbol.asyncDispose]();
    await provider.shutdown();
    trace.disable();
  });
  beforeEach(() => exporter.reset());

  const ofTrace = (id: string) => exporter.getFinishedSpans().filter((span) => span.spanContext().traceId === id);
  const rootOf = async (id: string) =>
    vi.waitUntil(() => ofTrace(id).find(({ parentSpanContext }) => parentSpanContext?.spanId === parentId), 20_000);
  const childrenOf = (parent: ReadableSpan) =>
    ofTrace(parent.spanContext().traceId).filter(
      (span) => span.parentSpanContext?.spanId === parent.spanContext().spanId,
    );

  it('of a request lead from the token to the statement and the response, without values', async () => {
    const headers = { ...(await app.tokenFor('acme')), traceparent };
    const { status } = await server.post({ query: 'query List { products { totalCount } }' }, headers);
    expect(status).toBe(200);
    const root = await rootOf(traceId);
    expect(root.name).toBe('query');
    expect(root.attributes).toMatchObject({ 'graphql.operation.name': 'List', 'tenantry.request': expect.any(String) });
    const names = childrenOf(root).map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['token', 'caller', 'tenant', 'SELECT', 'response']));
    const texts = ofTrace(traceId).map(({ attributes }) => attributes['db.query.text']);
    expect(texts.join()).toContain('products');
    const line = lines.map((text) => JSON.parse(text)).find(({ operation }) => operation === 'query List');
    expect(line).toMatchObject({ traceId, tenant: 'acme' });
  });

  it('of a failed request say so, and hold no value of its statements', async () => {
    const create = `mutation { createProduct(input: { sku: "trace-secret", name: "x", price: "${price}", currency: "EUR", stock: 1 }) { id } }`;
    const headers = { ...(await app.tokenFor('acme')), traceparent };
    await server.post({ query: create }, headers);
    await server.post({ query: '{ products { totalCount } }' }, { authorization: 'Bearer x', traceparent });
    await vi.waitUntil(
      () => ofTrace(traceId).some(({ attributes }) => attributes['error.type'] === 'UNAUTHENTICATED'),
      20_000,
    );
    const everything = JSON.stringify(
      ofTrace(traceId).map(({ name, attributes, events }) => ({ name, attributes, events })),
    );
    expect(everything).not.toContain('trace-secret');
    expect(everything).not.toContain(price);
  });

  it('of a run lead from the request to the tenants, their migrations and statements', async () => {
    const run = 'mutation Run { runMigrations(input: { verify: true }) { id } }';
    await server.post({ query: run }, { ...app.admin, traceparent });
    const tenant = await vi.waitUntil(() => ofTrace(traceId).find(({ name }) => name === 'migrate tenant'), 20_000);
    const start = ofTrace(traceId).find(({ name }) => name === 'start migration run');
    expect(tenant.parentSpanContext?.spanId).toBe(start?.spanContext().spanId);
    expect(tenant.attributes).toMatchObject({
      'tenantry.run': expect.any(String),
      'tenantry.tenant': expect.any(String),
    });

    const back = 'mutation { rollbackMigrations(input: { steps: 1 }) { id } }';
    await server.post({ query: back }, { ...app.admin, traceparent });
    const migration = await vi.waitUntil(
      () => ofTrace(traceId).find(({ name }) => name === 'revert migration'),
      20_000,
    );
    expect(migration.attributes['tenantry.migration']).toMatch(/^\d{14}/);
    expect(childrenOf(migration).length).toBeGreaterThan(0);
    for (const { attributes } of childrenOf(migration)) expect(attributes['db.query.text']).toEqual(expect.any(String));
  });
});
