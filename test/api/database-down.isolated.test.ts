import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { builder } from '../../src/api/builder.ts';
import { type Listening, listen } from '../support/listen.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startInstalledPostgres, type TestPostgres } from '../support/start-postgres.ts';

let stopPostgres: () => Promise<void>;
builder.mutationField('workUntilItGoes', (t) =>
  t.boolean({
    authScopes: { platformAdmin: true },
    args: { tenant: t.arg.id({ required: true }) },
    resolve: async () => {
      await stopPostgres();
      return true;
    },
  }),
);

describe('a server whose PostgreSQL goes away', () => {
  let postgres: TestPostgres;
  let app: TestApp;
  let server: Listening;
  let member: Record<string, string>;
  beforeAll(async () => {
    postgres = await startInstalledPostgres();
    stopPostgres = () => postgres.stop();
    app = await startTestApp(postgres.env);
    server = await listen(app.yoga);
    member = await app.tokenFor('acme');
    await app.ask(
      'mutation { createTenant(input: { slug: "acme", name: "Acme", isolation: SCHEMA }) { id } }',
      app.admin,
    );
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await app[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  it('is ready while it is there', async () => {
    expect(await server.get('/health/ready')).toMatchObject({ status: 200, body: { status: 'OK' } });
    expect((await server.get('/health/live')).status).toBe(200);
    expect((await server.post({ query: '{ products { totalCount } }' }, member)).body.data).toEqual({
      products: { totalCount: 0 },
    });
  });

  it('lives on, tells that it is not ready, and asks clients to try again', async () => {
    await postgres.stop();
    expect((await server.get('/health/live')).status).toBe(200);
    // One answer is kept for a second.
    const down = { status: 503, body: { status: 'DOWN' } };
    await vi.waitFor(async () => expect(await server.get('/health/ready')).toMatchObject(down), { timeout: 10_000 });
    const asked: [string, Record<string, string>][] = [
      ['{ products { totalCount } }', member],
      ['mutation { createProduct(input: { sku: "a", name: "a", price: "1.00", currency: "EUR" }) { id } }', member],
      ['{ tenants { totalCount } }', app.admin],
      ['{ products { totalCount } }', { ...app.admin, 'x-tenant': 'unknown' }],
      ['{ currencies { code } }', {}],
      ['{ timestamp }', {}],
    ];
    for (const [query, headers] of asked) {
      const { body, text } = await server.post({ query }, headers);
      expect(
        body.errors?.map(({ extensions }) => extensions),
        query,
      ).toEqual([expect.objectContaining({ code: 'SERVER_BUSY', retryAfterMs: 1000 })]);
      expect(text).not.toContain(String(postgres.address.port));
      expect(text).not.toContain(postgres.address.password);
    }
  });

  it('still answers what needs no database, and tells what is down without telling where it is', async () => {
    const { body } = await server.post({ query: '{ server { name } health { status } viewer { role } }' });
    expect(body.data).toEqual({ server: { name: 'Tenantry' }, health: { status: 'DOWN' }, viewer: null });
    const { text } = await server.post({ query: '{ health { databases { name ok error } } }' }, app.admin);
    expect(text).toContain('"error":"unreachable"');
    expect(text).not.toMatch(new RegExp(`127\\.0\\.0\\.1|${postgres.address.port}|ECONN`));
  });

  it('recovers by itself when it is back', async () => {
    await postgres.restart();
    await vi.waitFor(async () => expect((await server.get('/health/ready')).status).toBe(200), { timeout: 10_000 });
    expect((await server.post({ query: '{ products { totalCount } }' }, member)).body.data).toEqual({
      products: { totalCount: 0 },
    });
  });

  it('tells who has changed something when it went that this is done, though it cannot be audited', async () => {
    const { body } = await server.post({ query: 'mutation { workUntilItGoes(tenant: "never-heard-of") }' }, app.admin);
    await postgres.restart();
    expect(body).toEqual({ data: { workUntilItGoes: true } });
  });

  it('is not ready any more when it is stopping, though it lives', async () => {
    app.beginStop();
    expect(await server.get('/health/ready')).toMatchObject({ status: 503, body: { status: 'DOWN' } });
    expect((await server.get('/health/live')).status).toBe(200);
    expect((await server.post({ query: '{ server { name } }' })).status).toBe(200);
  });
});
