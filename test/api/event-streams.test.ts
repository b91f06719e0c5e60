import { type Client, createClient } from 'graphql-sse';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type EndlessRun, startEndlessRun } from '../support/endless-run.ts';
import { forge, hs256, now } from '../support/forge-token.ts';
import type { HttpClient } from '../support/http-client.ts';
import { ownInstallation, type ServerProcess, startServer } from '../support/server-process.ts';
import type { TestPostgres } from '../support/start-postgres.ts';
import { startWatchedServer } from '../support/watched-server.ts';

describe('the single connection mode of graphql-sse', () => {
  let endless: EndlessRun;
  let postgres: TestPostgres;
  let server: ServerProcess;
  let http: HttpClient;
  let run: string;
  const clients: Client<true>[] = [];
  beforeAll(async () => {
    endless = await startEndlessRun({ CALLER_SUBSCRIPTIONS: '3' });
    ({ postgres, server, http, run } = endless);
  });
  afterAll(async () => {
    for (const client of clients) client.dispose();
    await endless?.[Symbol.asyncDispose]();
  });

  const stream = () => `${http.url}/stream`;
  const tokenOf = (claims: object) =>
    forge({ alg: 'HS256' }, { exp: now() + 3600, ...claims }, hs256(postgres.env.JWT_SECRET));
  const progress = () => `subscription { migrationProgress(run: "${run}") { seq kind } }`;
  const member = () => ({ authorization: `Bearer ${tokenOf({ sub: 'ada', tenant: 'acme' })}` });

  function connect(headers: () => Record<string, string>): Client<true> {
    const client = createClient({ url: stream(), singleConnection: true, headers, retryAttempts: 0 });
    clients.push(client);
    return client;
  }
  async function first<T>(client: Client<true>, query: string): Promise<T> {
    for await (const result of client.iterate({ query })) return result as T;
    return expect.unreachable('there was no result');
  }
  const reserve = async (headers = server.admin()) => {
    const response = await fetch(stream(), { method: 'PUT', headers });
    return { status: response.status, token: await response.text() };
  };
  const open = (token: string, init: RequestInit = {}) =>
    fetch(stream(), { ...init, headers: { accept: 'text/event-stream', 'x-graphql-event-stream-token': token } });
  const post = (token: string, body: unknown, headers: Record<string, string> = server.admin()) =>
    fetch(stream(), {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-graphql-event-stream-token': token, ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  const operation = (operationId: unknown, query = '{ server { name } }') => ({ query, extensions: { operationId } });

  it('carries queries, mutations and subscriptions at the same time', async () => {
    const client = connect(() => server.admin());
    const events = client.iterate({ query: progress() });
    expect(await events.next()).toMatchObject({ value: { data: { migrationProgress: { kind: 'RUN_STARTED' } } } });
    expect(await first(client, '{ server { name } }')).toEqual({ data: { server: { name: 'Tenantry' } } });
    expect(await first(client, 'mutation { createTenant(input: { slug: "acme", name: "A" }) { id } }')).toMatchObject({
      errors: [{ extensions: { code: 'SLUG_TAKEN' } }],
    });
    await events.return?.();
    expect(await first(client, '{ timestamp }')).toMatchObject({ data: { timestamp: expect.any(String) } });
  });

  it('is at the same path as the mode of distinct connections', async () => {
    const client = createClient({ url: stream(), headers: () => server.admin(), retryAttempts: 0 });
    const events = client.iterate({ query: progress() });
    expect(await events.next()).toMatchObject({ value: { data: { migrationProgress: { kind: 'RUN_STARTED' } } } });
    const query = { query: '{ server { name } }' };
    for await (const result of client.iterate(query))
      expect(result).toEqual({ data: { server: { name: 'Tenantry' } } });
    await events.return?.();
    const search = `?${new URLSearchParams(query)}`;
    expect((await http.get(`/graphql/stream${search}`)).text).toBe((await http.get(`/graphql${search}`)).text);
  });

  it('authorizes each operation by the token that it is sent with', async () => {
    const anonymous = connect(() => ({}));
    expect(await first(anonymous, '{ tenants { totalCount } }')).toMatchObject({
      errors: [{ extensions: { code: 'UNAUTHENTICATED' } }],
    });
    const client = connect(member);
    expect(await first(client, progress())).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] });
    expect(await first(client, '{ viewer { isPlatformAdmin } }')).toEqual({
      data: { viewer: { isPlatformAdmin: false } },
    });
  });

  it('ends an operation when its token expires, and tells the client', async () => {
    const expiring = () => tokenOf({ sub: 'root', platform_admin: true, exp: now() + 2 });
    const client = connect(() => ({ authorization: `Bearer ${expiring()}` }));
    const results: unknown[] = [];
    for await (const result of client.iterate({ query: progress() })) results.push(result);
    expect(results.at(-1)).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
    expect(JSON.stringify(results)).not.toContain('"http"');
  });

  it('refuses what the protocol does not allow', async () => {
    const { status, token } = await reserve();
    expect(status).toBe(201);
    const abort = new AbortController();
    expect((await open(token, { signal: abort.signal })).status).toBe(200);
    expect((await open(token)).status).toBe(409);
    expect((await open('unknown')).status).toBe(404);
    expect((await post('unknown', operation('1'))).status).toBe(404);
    expect((await post(token, operation(1))).status).toBe(400);
    expect((await post(token, operation('x'.repeat(201)))).status).toBe(400);
    expect((await post(token, '{')).status).toBe(400);
    expect((await post(token, '[]')).status).toBe(400);
    expect((await post(token, operation('1'), { 'content-type': 'text/plain' })).status).toBe(415);
    expect((await post(token, operation('1', `{ server { name } } # ${'x'.repeat(200_000)}`))).status).toBe(400);
    expect((await post(token, JSON.stringify({ a: Array.from({ length: 20_000 }, () => 1) }))).status).toBe(400);
    expect((await post(token, operation('2', progress()))).status).toBe(202);
    expect((await post(token, operation('2', progress()))).status).toBe(409);
    expect((await fetch(stream(), { method: 'PATCH', headers: server.admin() })).status).toBe(405);
    const remove = `${stream()}?operationId=2&token=${token}`;
    expect((await fetch(remove, { method: 'DELETE' })).status).toBe(200);
    // The id is free when the operation has ended.
    await vi.waitFor(async () => expect((await post(token, operation('2', progress()))).status).toBe(202), 5_000);
    abort.abort();
    // The stream is gone with its client.
    await vi.waitFor(async () => expect((await post(token, operation('3'))).status).toBe(404), 5_000);
  });

  it('gives a caller as many streams as subscriptions, and frees those that nobody connects to', async () => {
    const headers = member();
    const reserved = [];
    for (let count = 0; count < 3; count += 1) reserved.push(await reserve(headers));
    expect(reserved.map(({ status }) => status)).toEqual([201, 201, 201]);
    expect((await reserve(headers)).status).toBe(429);
    expect((await reserve({ authorization: 'Bearer nothing' })).status).toBe(401);
    await vi.waitFor(async () => expect((await reserve(headers)).status).toBe(201), { timeout: 20_000, interval: 500 });
  });

  it('lets the server stop at once', async () => {
    const env = { ...ownInstallation(postgres, endless.folder), WORKER: 'off' };
    await using stopping = startServer(env);
    const { url } = await stopping.listening();
    const response = await fetch(`${url}/stream`, { method: 'PUT', headers: stopping.admin() });
    const opened = await fetch(`${url}/stream?token=${await response.text()}`);
    const began = performance.now();
    const ended = stopping.end('SIGTERM');
    expect(await opened.text()).toMatch(/^(:\n\n)+$/);
    expect(await ended).toBe(0);
    // SHUTDOWN_SECONDS is 20.
    expect(performance.now() - began).toBeLessThan(15_000);
  });

  it('costs little while nothing happens, as distinct connections do: a thousand take less than 50 MB', async () => {
    await using watched = await startWatchedServer({ ...ownInstallation(postgres, endless.folder), WORKER: 'off' });
    const { url, ask } = await watched.listening();
    const headers = { ...watched.admin(), 'content-type': 'application/json', accept: 'text/event-stream' };
    const { data } = await ask<{ runMigrations: { id: string } }>(
      `mutation {
        createTenant(input: { slug: "acme", name: "Acme", isolation: SCHEMA }) { id }
        runMigrations(input: { verify: true }) { id }
      }`,
      watched.admin(),
    );
    const query = `subscription { migrationProgress(run: "${data?.runMigrations.id}") { seq } }`;
    const single = async () => {
      const token = await (await fetch(`${url}/stream`, { method: 'PUT', headers })).text();
      return fetch(`${url}/stream?token=${token}`, { headers });
    };
    const distinct = () => fetch(url, { method: 'POST', headers, body: JSON.stringify({ query }) });
    for (const open of [single, distinct]) {
      const readers: ReadableStreamDefaultReader<Uint8Array>[] = [];
      const openMany = async (count: number) => {
        const responses = await Promise.all(Array.from({ length: count }, open));
        readers.push(...responses.map(({ body }) => body?.getReader() ?? expect.unreachable()));
        for (const reader of readers.slice(-count)) expect((await reader.read()).done).toBe(false);
      };
      await openMany(40);
      const before = await watched.bytesInUse();
      for (let round = 0; round < 25; round += 1) await openMany(40);
      const grown = (await watched.bytesInUse()) - before;
      expect(grown, open.name).toBeLessThan(50 * 1024 * 1024);
      for (const reader of readers) await reader.cancel();
    }
  });
});
