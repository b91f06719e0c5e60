import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ownInstallation, startServer } from '../support/server-process.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

const products = { query: '{ products { nodes { sku } } }' };
const createTenant = {
  query: 'mutation { createTenant(input: { slug: "acme", name: "Acme", isolation: SCHEMA }) { id } }',
};

describe('a server at SIGTERM', () => {
  let folder: string;
  let postgres: TestPostgres;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'tenantry-stop-'));
    postgres = await startTestPostgres();
  });
  afterAll(async () => {
    await postgres[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  it('finishes requests in progress, and accepts no new ones', async () => {
    const own = ownInstallation(postgres, folder);
    await using server = startServer({ ...own, WORKER: 'off' });
    const client = await server.listening();
    const admin = server.admin();
    await client.post(createTenant, admin);
    const { body } = await client.post({ query: 'mutation { runMigrations(input: { verify: true }) { id } }' }, admin);
    const run = /[0-9a-f-]{36}/.exec(JSON.stringify(body))?.[0];
    await using blocked = await blockProducts(own.SHARED_DATABASE);
    const line = connect(client.port, '127.0.0.1');
    const question = JSON.stringify(products);
    line.write(
      `POST /graphql HTTP/1.1\r\nhost: x\r\nauthorization: ${admin.authorization}\r\nx-tenant: acme\r\n` +
        `content-type: application/json\r\ncontent-length: ${question.length}\r\n\r\n${question}`,
    );
    const stream = client.post(
      { query: `subscription { migrationProgress(run: "${run}") { seq } }` },
      { ...admin, accept: 'text/event-stream' },
    );
    await blocked.waited();
    await vi.waitUntil(() => server.output().includes('subscription'), { timeout: 10_000 });
    server.signal('SIGTERM');
    // It has no worker, so the run has not ended: the server has ended the stream.
    expect((await stream).text).toContain('event: complete');
    await expect(client.get('/health/ready')).rejects.toThrow(/ECONNREFUSED/);
    // A load balancer can still ask on the connection that it has.
    line.write('GET /health/ready HTTP/1.1\r\nhost: x\r\n\r\n');
    await blocked.release();
    const [, first, second] = (await text(line)).split('HTTP/1.1 ');
    expect(first).toMatch(/^200 OK/);
    expect(first).toContain('{"data":{"products":{"nodes":[]}}}');
    expect(second).toMatch(/^503 /);
    expect(second?.toLowerCase()).toContain('connection: close');
    expect(await server.ended).toEqual({ code: 0, signal: null });
  });

  it('waits no longer than SHUTDOWN_SECONDS', async () => {
    const own = ownInstallation(postgres, folder);
    await using server = startServer({ ...own, SHUTDOWN_SECONDS: '1' });
    const client = await server.listening();
    const admin = server.admin();
    await client.post(createTenant, admin);
    await using blocked = await blockProducts(own.SHARED_DATABASE);
    const slow = client.post(products, { ...admin, 'x-tenant': 'acme' }).catch((error: unknown) => String(error));
    await blocked.waited();
    server.signal('SIGTERM');
    expect(await server.ended).toEqual({ code: 0, signal: null });
    expect(await slow).toMatch(/socket hang up|ECONNRESET/);
  });

  /** Makes every query for products wait. */
  async function blockProducts(database: string) {
    const client = await postgres.connect(database);
    const { rows } = await client.query<{ place: string }>(
      `SELECT format('%I.%I', schemaname, tablename) AS place FROM pg_tables WHERE tablename = 'products'`,
    );
    await client.query(`BEGIN; LOCK TABLE ${rows.map(({ place }) => place).join(', ')}`);
    return {
      waited: () =>
        vi.waitFor(async () => {
          expect(await postgres.rows('SELECT 1 FROM pg_locks WHERE NOT granted')).toHaveLength(1);
        }, 10_000),
      release: () => client.query('COMMIT'),
      [Symbol.asyncDispose]: () => client.end(),
    };
  }
});
