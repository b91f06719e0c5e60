import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { clientOf } from '../support/http-client.ts';
import { type Listening, listen } from '../support/listen.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startInstalledPostgres, type TestPostgres } from '../support/start-postgres.ts';

describe('a tenant whose name or host is changed', () => {
  let postgres: TestPostgres;
  let apps: TestApp[];
  let servers: Listening[];
  beforeAll(async () => {
    postgres = await startInstalledPostgres();
    const env = {
      ...postgres.env,
      JWT_SECRET: 'the secret of the tests of changing tenants',
      DEFAULT_ISOLATION: 'schema',
    };
    apps = [await startTestApp(env), await startTestApp(env)];
    servers = await Promise.all(apps.map(({ yoga }) => listen(yoga)));
    for (const slug of ['acme', 'rival']) {
      const input = `{ slug: "${slug}", name: "${slug}", host: "${slug}.example.com" }`;
      await first().ask(`mutation { createTenant(input: ${input}) { id } }`, first().admin);
    }
  });
  afterAll(async () => {
    for (const server of servers) await server[Symbol.asyncDispose]();
    for (const app of apps) await app[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  const first = () => apps[0] ?? expect.unreachable();
  const update = (changes: string, id = 'acme') =>
    first().ask(`mutation { updateTenant(input: { id: "${id}", ${changes} }) { slug name host } }`, first().admin);
  /** Which tenant each process finds at a host. */
  const at = (host: string) =>
    Promise.all(
      servers.map(async ({ port }) => {
        const headers = { ...first().admin, host };
        const { body } = await clientOf(port).post({ query: '{ viewer { tenant { slug } } }' }, headers);
        return JSON.parse(JSON.stringify(body.data?.viewer)).tenant?.slug;
      }),
    );
  const until = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 10_000 });

  it('has the new name, and keeps its host', async () => {
    expect(await update('name: "  Acme & Sons "')).toEqual({
      data: { updateTenant: { slug: 'acme', name: 'Acme & Sons', host: 'acme.example.com' } },
    });
  });

  it('is found at the new host by every process, and at the old one no more', async () => {
    expect(await at('acme.example.com')).toEqual(['acme', 'acme']);
    expect(await at('shop.example.com')).toEqual([undefined, undefined]);
    expect(await update('host: "Shop.Example.com"')).toEqual({
      data: { updateTenant: { slug: 'acme', name: 'Acme & Sons', host: 'shop.example.com' } },
    });
    await until(async () => {
      expect(await at('shop.example.com')).toEqual(['acme', 'acme']);
      expect(await at('acme.example.com')).toEqual([undefined, undefined]);
    });
  });

  it('is found at no host when that is cleared, which another tenant may have then', async () => {
    const { data } = await first().ask('{ tenant(slug: "acme") { id } }', first().admin);
    const { id } = JSON.parse(JSON.stringify(data?.tenant));
    expect(await update('host: null', id)).toMatchObject({ data: { updateTenant: { slug: 'acme', host: null } } });
    await until(async () => expect(await at('shop.example.com')).toEqual([undefined, undefined]));
    expect(await update('host: "shop.example.com"', 'rival')).not.toHaveProperty('errors');
    await until(async () => expect(await at('shop.example.com')).toEqual(['rival', 'rival']));
  });

  it.each([
    ['host: "shop.example.com"', 'HOST_TAKEN', 'host'],
    ['name: "x", host: "SHOP.example.com"', 'HOST_TAKEN', 'host'],
    ['host: "https://acme.example.com"', 'BAD_USER_INPUT', 'host'],
    ['host: ""', 'BAD_USER_INPUT', 'host'],
    ['name: " "', 'BAD_USER_INPUT', 'name'],
    ['name: null', 'BAD_USER_INPUT', 'name'],
    [`name: "${'x'.repeat(201)}"`, 'BAD_USER_INPUT', 'name'],
    ['', 'BAD_USER_INPUT', 'input'],
  ])('is as it was if that is refused: %s', async (changes, code, field) => {
    const { errors } = await update(changes);
    expect(errors?.[0]?.extensions).toMatchObject({ code, field });
    const { data } = await first().ask('{ tenant(slug: "acme") { name host } }', first().admin);
    expect(data?.tenant).toEqual({ name: 'Acme & Sons', host: null });
  });

  it('is written to the audit log with what was changed', async () => {
    const text = '{ auditLog(tenant: "rival", filter: { action: "updateTenant" }) { nodes { outcome details } } }';
    expect((await first().ask(text, first().admin)).data?.auditLog).toEqual({
      nodes: [{ outcome: 'OK', details: '{"input":{"host":"shop.example.com","id":"rival"}}' }],
    });
  });
});
