import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/start-app.ts';

describe("the shop's operations", () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ DEFAULT_ISOLATION: 'schema' });
    const acme = 'mutation { createTenant(input: { slug: "acme", name: "Acme", host: "acme.example.com" }) { id } }';
    await app.ask(acme, app.admin);
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
  });

  it.each([
    ['{ products { totalCount } }', undefined],
    ['{ orders { totalCount } }', undefined],
    ['mutation { createProduct(input: { sku: "a", name: "a", price: "1.00", currency: "EUR" }) { sku } }', undefined],
    ['mutation { placeOrder(input: { lines: [] }) { id } }', 'BAD_USER_INPUT'],
  ])('are for members of the tenant only: %s', async (query, otherwise) => {
    const stranger = await app.services.tokens.issue({ subject: 'somebody', expiresIn: '1h' });
    const codeFor = async (headers: Record<string, string>) =>
      (await app.ask(query, headers)).errors?.[0]?.extensions.code;
    expect(await codeFor({})).toBe('UNAUTHENTICATED');
    expect(await codeFor({ authorization: `Bearer ${stranger}`, host: 'acme.example.com' })).toBe('FORBIDDEN');
    expect(await codeFor(app.admin)).toBe('TENANT_REQUIRED');
    expect(await codeFor(await app.tokenFor('acme'))).toBe(otherwise);
  });
});
