import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { makeMigrationDir } from '../support/migration-dir.ts';
import { ownInstallation, type ServerProcess, startServer } from '../support/server-process.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

const products = { query: '{ products { nodes { sku } } }' };
const createTenant = {
  query: 'mutation { createTenant(input: { slug: "acme", name: "Acme", isolation: SCHEMA }) { id } }',
};
const createProduct = {
  query: 'mutation { createProduct(input: { sku: "kept", name: "x", price: "1.00", currency: "EUR" }) { sku } }',
};

const tokenOf = (server: ServerProcess) => String(server.admin().authorization?.slice('Bearer '.length));

describe('node src/main.ts', () => {
  let folder: string;
  let postgres: TestPostgres;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'tenantry-main-'));
    postgres = await startTestPostgres();
    shared = own();
  });
  afterAll(async () => {
    await postgres[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const url = () => postgres.env.DATABASE_URL;
  const own = () => ownInstallation(postgres, folder);
  /** An installation for tests that do not need a new one: to make one takes seconds. */
  let shared: ReturnType<typeof own>;

  it('needs no settings: it says where GraphiQL is, gives a token that works, and finds everything again', async () => {
    const env = { PORT: '0', DATA_DIR: path.join(folder, 'nothing-set') };
    await using first = startServer(env);
    const client = await first.listening();
    const migrated = first.output().match(/migrated a system database.*/g);
    expect(migrated).toEqual(
      ['auth', 'constants'].map((name) => expect.stringMatching(`"database":"${name}".*"durationMs":[0-9]+}`)),
    );
    expect(first.output()).toContain(`GraphiQL: http://127.0.0.1:${client.port}/graphql`);
    const admin = first.admin();
    expect((await client.post(createTenant, admin)).body.errors).toBeUndefined();
    expect((await client.post(createProduct, { ...admin, 'x-tenant': 'acme' })).code).toBeUndefined();
    first.signal('SIGTERM');
    expect(await first.ended).toEqual({ code: 0, signal: null });

    await using second = startServer(env);
    const again = await second.listening();
    for (const each of [admin, second.admin()]) {
      expect((await again.post(products, { ...each, 'x-tenant': 'acme' })).body).toEqual({
        data: { products: { nodes: [{ sku: 'kept' }] } },
      });
    }
    second.signal('SIGINT');
    expect(await second.ended).toEqual({ code: 0, signal: null });
  });

  it('puts the token into GraphiQL for those only who ask this machine by its own name', async () => {
    await using server = startServer(shared);
    const client = await server.listening();
    const token = tokenOf(server);
    const page = (host: string) => client.get('/graphql', { accept: 'text/html', host });
    expect((await page(`127.0.0.1:${client.port}`)).text).toContain(token);
    expect((await page(`localhost:${client.port}`)).text).toContain(token);
    expect((await page(`[::1]:${client.port}`)).text).toContain(token);
    for (const host of ['evil.example.com', `evil.example.com:${client.port}`, 'localhost.evil.example.com']) {
      const { status, text: html } = await page(host);
      expect({ status, shown: html.includes(token) }, host).toEqual({ status: 200, shown: false });
    }
    await using open = startServer({ ...shared, HOST: '0.0.0.0' });
    const other = await open.listening();
    expect((await other.get('/graphql', { accept: 'text/html' })).text).not.toContain(tokenOf(open));
  });

  it.each([
    [
      'DB_HOST, DB_PORT, DB_USERNAME and DB_PASSWORD',
      () => ({
        DB_HOST: postgres.address.host,
        DB_PORT: String(postgres.address.port),
        DB_USERNAME: postgres.address.user,
        DB_PASSWORD: postgres.address.password,
      }),
    ],
    ['ADMIN_CONN_STR', () => ({ ADMIN_CONN_STR: url().replace('postgres:', 'postgresql+psycopg2:') })],
  ])('reads .env, and reaches the PostgreSQL that %s name there', async (_names, settings) => {
    const cwd = await mkdtemp(path.join(folder, 'env-'));
    const { DATABASE_URL: _, ...installation } = shared;
    const lines = {
      ...installation,
      ...settings(),
      PORT: '1',
      TENANT_MIGRATIONS_DIR: path.resolve('test/fixture/migrations'),
    };
    await writeFile(
      path.join(cwd, '.env'),
      Object.entries(lines)
        .map(([name, value]) => `${name}="${value}"\n`)
        .join(''),
    );
    // What the environment says goes before what the file says.
    await using server = startServer({ PORT: '0' }, { cwd });
    const client = await server.listening();
    const { body } = await client.post({ query: '{ databases { system { name } } servers { port } }' }, server.admin());
    expect(body.data).toMatchObject({
      databases: {
        system: [
          { name: installation.AUTH_DATABASE },
          { name: installation.CONSTANTS_DATABASE },
          { name: installation.SHARED_DATABASE },
        ],
      },
      servers: [{ port: postgres.address.port }],
    });
  });

  it('reports names in .env that look misspelt, and that .env cannot be read', async () => {
    const cwd = await mkdtemp(path.join(folder, 'env-'));
    await writeFile(path.join(cwd, '.env'), 'JWT_SECRETT=x\nGRAPHIQL=x\nTZ=UTC\n');
    await using misspelt = startServer({ DATA_DIR: cwd, PROT: '1' }, { cwd });
    expect(await misspelt.ended).toEqual({ code: 1, signal: null });
    expect(misspelt.output()).toMatch(
      /^Unknown setting JWT_SECRETT in \.env\. Did you mean JWT_SECRET\?\nThe settings /,
    );
    await rm(path.join(cwd, '.env'));
    await mkdir(path.join(cwd, '.env'));
    await using unread = startServer({}, { cwd });
    expect(await unread.ended).toEqual({ code: 1, signal: null });
    expect(unread.output()).toMatch(/^The file \.env cannot be read: EISDIR.*\n$/);
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
      'none of its hosts answers',
      () => 'postgres://u:hunter2@127.0.0.1:1,127.0.0.1:2/postgres',
      /PostgreSQL cannot be reached: none of its hosts can be used \(127\.0\.0\.1:1: [^;]+; 127\.0\.0\.1:2: [^;)]+\)\. .*DATABASE_URL/,
    ],
    [
      'its host has no address',
      () => 'postgres://u:hunter2@postgres.invalid:5432/postgres',
      /PostgreSQL at postgres\.invalid:5432 cannot be reached .*DATABASE_URL/,
    ],
    [
      'the password is wrong',
      () => url().replace(postgres.address.password, 'hunter2'),
      /rejects the role tenantry .*DATABASE_URL/,
    ],
    [
      'the password is missing',
      () => url().replace(/:[^:@]*@/, '@'),
      /PostgreSQL at \S+ cannot be used: it asks for a password, and the URL has none\. Correct DATABASE_URL/,
    ],
    [
      'PostgreSQL has no TLS, and the URL requires it',
      () => `${url()}?sslmode=require`,
      /PostgreSQL at \S+ cannot be used: it does not accept TLS, which sslmode in the URL requires\. Correct DATABASE_URL/,
    ],
    [
      'the database is not there',
      () => url().replace(/postgres$/, 'nowhere'),
      /"nowhere" does not exist .*DATABASE_URL/,
    ],
  ])('tells what to do when %s', async (_name, databaseUrl, message) => {
    await using server = startServer({ ...own(), DATABASE_URL: databaseUrl() });
    expect(await server.ended).toEqual({ code: 1, signal: null });
    expect(server.output()).toMatch(message);
    // The problem is reported once.
    expect(server.output()).not.toMatch(/hunter2|\n {4}at |ERROR/);
  });

  it('tells what to do when the role may not create databases and roles', async () => {
    const weak = await postgres.createRole('weak', 'weak', 'NOCREATEDB NOCREATEROLE');
    await using server = startServer({ ...own(), DATABASE_URL: weak });
    expect(await server.ended).toEqual({ code: 1, signal: null });
    expect(server.output()).toMatch(/The role weak needs CREATEDB and CREATEROLE/);
  });

  it('tells at once that its folder cannot be made', async () => {
    for (const env of [{}, { DATABASE_URL: url() }]) {
      await using server = startServer({ PORT: '0', ...env, DATA_DIR: '/proc/nowhere/data' });
      expect(await server.ended).toEqual({ code: 1, signal: null });
      expect(server.output()).toMatch(
        /^ {2}- DATA_DIR must be a writable folder, but \/proc\/nowhere\/data is not: E[A-Z]+: .* \(\/proc\)$/m,
      );
    }
  });

  it('tells of folders that cannot be used together with all else that is wrong with the settings', async () => {
    const folders = { DATA_DIR: '/proc/nowhere/data', TENANT_MIGRATIONS_DIR: '/nonexist' };
    await using server = startServer({ ...folders, PORT: 'x', GRAPHIQL: 'maybe' });
    expect(await server.ended).toEqual({ code: 1, signal: null });
    const named = [...server.output().matchAll(/^ {2}- (\w+) must be/gm)].map(([, name]) => name);
    expect(named.toSorted()).toEqual(['DATA_DIR', 'GRAPHIQL', 'PORT', 'TENANT_MIGRATIONS_DIR']);
  });

  it('does not ask for a folder in production, where nothing is made there', async () => {
    await using server = startServer({ NODE_ENV: 'production', DATA_DIR: '/proc/nowhere/data' });
    expect(await server.ended).toEqual({ code: 1, signal: null });
    expect(server.output()).toMatch(/^ {2}- ROLE_SECRET must be set when NODE_ENV is production$/m);
    expect(server.output()).not.toContain('DATA_DIR must');
  });

  it('refuses a folder of migrations that is not there, before it touches PostgreSQL', async () => {
    const env = own();
    await using server = startServer({ ...env, TENANT_MIGRATIONS_DIR: 'nonexist' });
    expect(await server.ended).toEqual({ code: 1, signal: null });
    expect(server.output()).toMatch(/^ {2}- TENANT_MIGRATIONS_DIR must be .*'\/.+\/nonexist'/m);
    expect(await databasesOf(env)).toEqual([]);
  });

  /** The databases that an installation has made. */
  function databasesOf({ AUTH_DATABASE }: ReturnType<typeof own>): Promise<unknown[]> {
    return postgres.rows('SELECT datname FROM pg_database WHERE datname = $1', [AUTH_DATABASE]);
  }

  it('says in a line of the log, and where it asks to create a tenant, that a migration keeps it from that', async () => {
    await using broken = await makeMigrationDir();
    await broken.add('20270101000000_broken', 'SELECT 1 / 0');
    await using server = startServer({ ...own(), TENANT_MIGRATIONS_DIR: broken.path });
    await server.listening();
    const problem = '20270101000000_broken failed: division by zero, in line 2: SELECT 1 / 0';
    await vi.waitUntil(() => /^Tenants cannot be created/m.test(server.output()), { timeout: 30_000 });
    expect(server.output()).toContain(`\nTenants cannot be created until this is fixed: ${problem}\n`);
    // The log is written by a thread of its own.
    const logged = new RegExp(`ERROR.*tenants cannot be created until this is fixed: ${problem}`);
    await vi.waitUntil(() => logged.test(server.output()));
    expect(server.output()).not.toMatch(/create a tenant|\n {4}at /);
  });

  it('tells what to do when its port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await vi.waitUntil(() => other.listening);
    const address = other.address();
    const port = String(typeof address === 'object' && address?.port);
    const env = own();
    await using server = startServer({ ...env, PORT: port });
    expect(await server.ended).toEqual({ code: 1, signal: null });
    expect(server.output()).toContain(
      `port ${port} of 127.0.0.1 is already in use. Stop the program that uses it, or set PORT`,
    );
    expect(await databasesOf(env)).toEqual([]);
    other.close();
  });
});
