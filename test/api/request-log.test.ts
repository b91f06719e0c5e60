import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Listening, listen } from '../support/listen.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';

type Line = Readonly<Record<string, unknown>>;

/** An installation whose log can be read. */
async function startLogged(env: Record<string, string>) {
  const lines: Line[] = [];
  const log = pino({ level: 'info' }, { write: (text: string) => lines.push(JSON.parse(text)) });
  const app = await startTestApp(env, { log });
  const input = '{ slug: "acme", name: "Acme", isolation: SCHEMA }';
  await app.ask(`mutation { createTenant(input: ${input}) { id } }`, app.admin);
  return { app, lines, server: await listen(app.yoga) };
}

const ofRequest = (lines: readonly Line[], id: unknown) =>
  vi.waitUntil(() => lines.find(({ requestId, durationMs }) => requestId === id && durationMs !== undefined), 20_000);

describe('the log line of an operation', () => {
  let app: TestApp;
  let lines: Line[];
  let server: Listening;
  beforeAll(async () => {
    ({ app, lines, server } = await startLogged({ SLOW_REQUEST_MS: '3600000' }));
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await app[Symbol.asyncDispose]();
  });

  it('has its tenant, its duration, its statements and its wait for a connection', async () => {
    const query = 'query List { products { totalCount } }';
    const { headers } = await server.post({ query }, await app.tokenFor('acme'));
    const line = await ofRequest(lines, headers['x-request-id']);
    expect(line).toMatchObject({ msg: 'operation', operation: 'query List', tenant: 'acme', failed: false });
    expect(line.statements).toBeGreaterThan(0);
    // The tenant's first connection had to be opened.
    expect(line.waitMs).toBeGreaterThan(0);
    expect(line.durationMs).toBeGreaterThan(0);
    expect(line).not.toHaveProperty('slowest');
    expect(lines.filter(({ requestId }) => requestId === headers['x-request-id'])).toHaveLength(1);
  });

  it('has its user', async () => {
    const input = '{ email: "ada@example.com", password: "correct-horse-battery", name: "Ada" }';
    const { body } = await server.post({
      query: `mutation { register(input: ${input}) { token viewer { user { id } } } }`,
    });
    const registered = body.data?.register as { token: string; viewer: { user: { id: string } } } | undefined;
    const { headers } = await server.post(
      { query: '{ __typename }' },
      { authorization: `Bearer ${registered?.token}` },
    );
    expect(await ofRequest(lines, headers['x-request-id'])).toMatchObject({ user: registered?.viewer.user.id });
  });

  it('is written for refused requests too, with the code and the trace', async () => {
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const invalid = await server.post({ query: '{ nope }' }, { traceparent });
    expect(await ofRequest(lines, invalid.headers['x-request-id'])).toMatchObject({
      operation: '(invalid)',
      failed: true,
      code: 'BAD_USER_INPUT',
      traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    });
    const forged = await server.post({ query: '{ __typename }' }, { authorization: 'Bearer forged' });
    expect(await ofRequest(lines, forged.headers['x-request-id'])).toMatchObject({ code: 'UNAUTHENTICATED' });
    const odd = await server.post({ query: '{ __typename }' }, { traceparent: '00-{"x":1}-00f067aa0ba902b7-01' });
    expect(await ofRequest(lines, odd.headers['x-request-id'])).not.toHaveProperty('traceId');
  });
});

describe('the log line of a slow operation', () => {
  let logged: Awaited<ReturnType<typeof startLogged>>;
  beforeAll(async () => {
    logged = await startLogged({ SLOW_REQUEST_MS: '1' });
  });
  afterAll(async () => {
    await logged.server[Symbol.asyncDispose]();
    await logged.app[Symbol.asyncDispose]();
  });

  it('is a warning, and has its slowest statements without their values', async () => {
    const { app, server, lines } = logged;
    const input = '{ sku: "slow-secret", name: "x", price: "98765.25", currency: "EUR", stock: 1 }';
    const { headers } = await server.post(
      { query: `mutation { createProduct(input: ${input}) { id } }` },
      await app.tokenFor('acme'),
    );
    const line = await ofRequest(lines, headers['x-request-id']);
    expect(line).toMatchObject({ msg: 'slow operation', level: 40, operation: 'mutation (unnamed)' });
    const text = JSON.stringify(line.slowest);
    expect(text).toContain('products');
    expect(text).not.toContain('slow-secret');
    expect(text).not.toContain('98765');
  });
});
