import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../src/postgres/embedded.ts';
import { startServer } from './support/spawned-server.ts';

const products = { query: '{ products { nodes { sku } } }' };
const createTenant = {
  query: 'mutation { createTenant(input: { slug: "acme", name: "Acme", isolation: SCHEMA }) { id } }',
};
const createProduct = {
  query: 'mutation { createProduct(input: { sku: "kept", name: "x", price: "1.00", currency: "EUR" }) { sku } }',
};
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const tokenIn = (output: string) => /^ey[\w-]+\.[\w-]+\.[\w-]+$/m.exec(output)?.[0] ?? '';

describe('node src/main.ts', () => {
  let folder: string;
  let postgres: EmbeddedPostgres;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'tenantry-main-'));
    postgres = await startEmbeddedPostgres({ dataDir: path.join(folder, 'postgres') });
  });
  afterAll(async () => {
    await postgres.stop();
    await rm(folder, { recursive: true });
  });

  const url = () => `postgres://${postgres.user}:${postgres.password}@${postgres.host}:${postgres.port}/postgres`;

  /** Settings of an installation of its own on the test's PostgreSQL. */
  function ownInstallation() {
    const id = randomUUID().slice(0, 8);
    return {
      PORT: '0',
      DATA_DIR: path.join(folder, id),
      AUTH_DATABASE: `auth_${id}`,
      CONSTANTS_DATABASE: `constants_${id}`,
      SHARED_DATABASE: `shared_${id}`,
    };
  }

  it('needs no settings: it says where GraphiQL is, gives a token that works, and finds everything again', async () => {
    const env = { PORT: '0', DATA_DIR: path.join(folder, 'nothing-set') };
    await using first = startServer(env);
    const client = await first.listening();
    expect(first.output()).toContain(`GraphiQL: http://127.0.0.1:${client.port}/graphql`);
    const token = tokenIn(first.output());
    expect((await client.post(createTenant, bearer(token))).body.errors).toBeUndefined();
    expect((await client.post(createProduct, { ...bearer(token), 'x-tenant': 'acme' })).code).toBeUndefined();
    first.signal('SIGTERM');
    expect(await first.ended).toEqual({ code: 0, signal: null });

    await using second = startServer(env);
    const again = await second.listening();
    for (const each of [token, tokenIn(second.output())]) {
      expect((await again.post(products, { ...bearer(each), 'x-tenant': 'acme' })).body).toEqual({
        data: { products: { nodes: [{ sku: 'kept' }] } },
      });
    }
    second.signal('SIGINT');
    expect(await second.ended).toEqual({ code: 0, signal: null });
  });

  it('puts the token into GraphiQL for those only who ask this machine by its own name', async () => {
    await using server = startServer({ ...ownInstallation(), DATABASE_URL: url() });
    const client = await server.listening();
    const token = tokenIn(server.output());
    const page = (host: string) => client.get('/graphql', { accept: 'text/html', host });
    expect((await page(`127.0.0.1:${client.port}`)).text).toContain(token);
    expect((await page(`localhost:${client.port}`)).text).toContain(token);
    for (const host of ['evil.example.com', `evil.example.com:${client.port}`, 'localhost.evil.example.com']) {
      const { status, text: html } = await page(host);
      expect({ status, shown: html.includes(token) }, host).toEqual({ status: 200, shown: false });
    }
    await using open = startServer({ ...ownInstallation(), DATABASE_URL: url(), HOST: '0.0.0.0' });
    const other = await open.listening();
    expect((await other.get('/graphql', { accept: 'text/html' })).text).not.toContain(tokenIn(open.output()));
  });

  it.each([
    [
      'DB_HOST, DB_PORT, DB_USERNAME and DB_PASSWORD',
      () => ({
        DB_HOST: postgres.host,
        DB_PORT: String(postgres.port),
        DB_USERNAME: postgres.user,
        DB_PASSWORD: postgres.password,
      }),
    ],
    ['ADMIN_CONN_STR', () => ({ ADMIN_CONN_STR: url().replace('postgres:', 'postgresql+psycopg2:') })],
  ])('reads .env, and reaches the PostgreSQL that %s name there', async (_names, settings) => {
    const cwd = await mkdtemp(path.join(folder, 'env-'));
    const own = ownInstallation();
    const lines = { ...own, ...settings(), PORT: '1', TENANT_MIGRATIONS_DIR: path.resolve('migrations/tenant') };
    await writeFile(
      path.join(cwd, '.env'),
      Object.entries(lines)
        .map(([name, value]) => `${name}="${value}"\n`)
        .join(''),
    );
    // What the environment says goes before what the file says.
    await using server = startServer({ PORT: '0' }, cwd);
    const client = await server.listening();
    const { body } = await client.post(
      { query: '{ databases { system { name } } servers { port } }' },
      bearer(tokenIn(server.output())),
    );
    expect(body.data).toMatchObject({
      databases: {
        system: [{ name: own.AUTH_DATABASE }, { name: own.CONSTANTS_DATABASE }, { name: own.SHARED_DATABASE }],
      },
      servers: [{ port: postgres.port }],
    });
  });

  it('tells everything that is wrong with the settings at once', async () => {
    await using server = startServer({
      PORT: 'x',
      JWT_SECRET: 'hunter2',
      GRAPHIQL: 'maybe',
      CORS_ORIGINS: '*',
      DB_HOST: 'h',
    });
    expect(await server.ended).toEqual({ code: 1, signal: null });
    for (const name of ['PORT', 'JWT_SECRET', 'GRAPHIQL', 'CORS_ORIGINS', 'DB_USERNAME', 'DB_PASSWORD']) {
      expect(server.output()).toMatch(new RegExp(`^  - ${name} must be`, 'm'));
    }
    expect(server.output()).not.toMatch(/hunter2|\n {4}at /);
  });

  it.concurrent.each([
    [
      'PostgreSQL is not running',
      () => 'postgres://u:hunter2@127.0.0.1:1/postgres',
      /PostgreSQL at 127\.0\.0\.1:1 cannot be reached .*DATABASE_URL/,
    ],
    [
      'its host has two addresses and neither answers',
      () => 'postgres://u:hunter2@localhost:1/postgres',
      /PostgreSQL at localhost:1 cannot be reached .*ECONNREFUSED.*DATABASE_URL/,
    ],
    [
      'its host has no address',
      () => 'postgres://u:hunter2@postgres.invalid:5432/postgres',
      /PostgreSQL at postgres\.invalid:5432 cannot be reached .*DATABASE_URL/,
    ],
    [
      'the password is wrong',
      () => url().replace(postgres.password, 'hunter2'),
      /does not let tenantry in .*DATABASE_URL/,
    ],
    [
      'the database is not there',
      () => url().replace(/postgres$/, 'nowhere'),
      /"nowhere" does not exist .*DATABASE_URL/,
    ],
  ])('tells what to do when %s', async (_name, databaseUrl, message) => {
    await using server = startServer({ ...ownInstallation(), DATABASE_URL: databaseUrl() });
    expect(await server.ended).toEqual({ code: 1, signal: null });
    expect(server.output()).toMatch(message);
    expect(server.output()).not.toMatch(/hunter2|\n {4}at /);
  });

  it('tells what to do when the role may not create databases and roles', async () => {
    const owner = new pg.Client(url());
    await owner.connect();
    await owner.query(`CREATE ROLE weak LOGIN PASSWORD 'weak'`);
    await owner.end();
    await using server = startServer({
      ...ownInstallation(),
      DATABASE_URL: url().replace(`${postgres.user}:${postgres.password}`, 'weak:weak'),
    });
    expect(await server.ended).toEqual({ code: 1, signal: null });
    expect(server.output()).toMatch(/The role weak needs CREATEDB and CREATEROLE/);
  });

  it('tells what to do when its port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await vi.waitUntil(() => other.listening);
    const address = other.address();
    const port = String(typeof address === 'object' && address?.port);
    await using server = startServer({ ...ownInstallation(), DATABASE_URL: url(), PORT: port });
    expect(await server.ended).toEqual({ code: 1, signal: null });
    expect(server.output()).toContain(`something listens on port ${port} of 127.0.0.1 already. Stop it, or set PORT`);
    other.close();
  });

  describe('at SIGTERM', () => {
    it('ends what is under way, and takes nothing new', async () => {
      const own = ownInstallation();
      await using server = startServer({ ...own, DATABASE_URL: url(), WORKER: 'off' });
      const client = await server.listening();
      const admin = bearer(tokenIn(server.output()));
      await client.post(createTenant, admin);
      const { body } = await client.post(
        { query: 'mutation { runMigrations(input: { verify: true }) { id } }' },
        admin,
      );
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
      const own = ownInstallation();
      await using server = startServer({ ...own, DATABASE_URL: url(), SHUTDOWN_SECONDS: '1' });
      const client = await server.listening();
      const admin = bearer(tokenIn(server.output()));
      await client.post(createTenant, admin);
      await using blocked = await blockProducts(own.SHARED_DATABASE);
      const slow = client.post(products, { ...admin, 'x-tenant': 'acme' }).catch((error: unknown) => String(error));
      await blocked.waited();
      server.signal('SIGTERM');
      expect(await server.ended).toEqual({ code: 0, signal: null });
      expect(await slow).toMatch(/socket hang up|ECONNRESET/);
    });
  });

  /** Makes every query for products wait. */
  async function blockProducts(database: string) {
    const client = new pg.Client({ connectionString: url().replace(/postgres$/, database) });
    const watcher = new pg.Client({ connectionString: url() });
    await Promise.all([client.connect(), watcher.connect()]);
    const { rows } = await client.query<{ place: string }>(
      `SELECT format('%I.%I', schemaname, tablename) AS place FROM pg_tables WHERE tablename = 'products'`,
    );
    await client.query(`BEGIN; LOCK TABLE ${rows.map(({ place }) => place).join(', ')}`);
    return {
      waited: () =>
        vi.waitFor(async () => {
          expect((await watcher.query('SELECT 1 FROM pg_locks WHERE NOT granted')).rowCount).toBe(1);
        }, 10_000),
      release: () => client.query('COMMIT'),
      [Symbol.asyncDispose]: async () => {
        await Promise.all([client.end(), watcher.end()]);
      },
    };
  }
});
