import { mkdtemp } from 'node:fs/promises';
import { type ClientRequest, request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HttpClient } from '../support/http-client.ts';
import { ownInstallation } from '../support/server-process.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';
import { startWatchedServer, type WatchedServer } from '../support/watched-server.ts';

const MB = 1024 * 1024;
/** A result has about 2 MB, so the results of one connection have 200 MB. */
const OPERATIONS = 100;
const CONNECTIONS = 3;
/** What the server may hold; without a limit it would hold all 600 MB. */
const MAX_GROWTH_BYTES = 400 * MB;

const page = 'products(first: 100) { nodes { name } }';
const query = `{ ${Array.from({ length: 10 }, (_, index) => `p${index}: ${page}`).join(' ')} }`;

describe('clients that do not read their event streams', () => {
  let postgres: TestPostgres;
  let server: WatchedServer;
  let http: HttpClient;
  let headers: Record<string, string>;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    const folder = await mkdtemp(path.join(tmpdir(), 'unread-results-'));
    server = await startWatchedServer({ ...ownInstallation(postgres, folder), LOG_LEVEL: 'warn' });
    http = await server.listening();
    const create = 'mutation { createTenant(input: { slug: "acme", name: "Acme", isolation: SCHEMA }) { id } }';
    await http.ask(create, server.admin());
    headers = { ...server.admin(), 'x-tenant': 'acme' };
    for (let index = 0; index < 100; index += 1) {
      const product = `{ sku: "p${index}", name: "${'x'.repeat(2000)}", price: "1.00", currency: "EUR" }`;
      await http.ask(`mutation { createProduct(input: ${product}) { id } }`, headers);
    }
    expect(JSON.stringify(await http.ask(query, headers)).length).toBeGreaterThan(1.9 * MB);
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await postgres?.[Symbol.asyncDispose]();
  });

  const isServed = async () =>
    expect(await http.ask('{ server { name } }')).toEqual({ data: { server: { name: 'Tenantry' } } });

  it('cannot fill the memory', async () => {
    const before = await server.bytesInUse();
    const url = `${http.url}/stream`;
    const opened: ClientRequest[] = [];
    for (let count = 0; count < CONNECTIONS; count += 1) {
      const token = await (await fetch(url, { method: 'PUT', headers })).text();
      const stream = request(url, { headers: { 'x-graphql-event-stream-token': token } });
      stream.on('error', () => undefined).on('response', (response) => response.on('error', () => undefined).pause());
      stream.end();
      opened.push(stream);
      for (let id = 0; id < OPERATIONS; id += 1) {
        await fetch(url, {
          method: 'POST',
          headers: { ...headers, 'content-type': 'application/json', 'x-graphql-event-stream-token': token },
          body: JSON.stringify({ query, extensions: { operationId: String(id) } }),
        });
      }
    }
    await expect.poll(() => server.output(), { timeout: 60_000 }).toContain('ended an event stream');
    expect((await server.bytesInUse()) - before).toBeLessThan(MAX_GROWTH_BYTES);
    await isServed();
    for (const stream of opened) stream.destroy();
  }, 180_000);
});
