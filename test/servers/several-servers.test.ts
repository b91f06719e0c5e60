import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { captureLog } from '../support/log-lines.ts';
import { runCommand } from '../support/run-command.ts';
import { openTestApp, startTestApp, type TestApp } from '../support/start-app.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';
import { tellTalePassword } from '../support/tell-tale-password.ts';

describe('tenants on two PostgreSQL servers', () => {
  const { log, text: logged } = captureLog();
  const passwords = [tellTalePassword(), tellTalePassword()] as const;
  /** Everything that was answered or printed. */
  const shown: string[] = [];
  let app: TestApp;
  let second: TestPostgres;

  const answer = async (query: string, headers = app.admin) => {
    const result = await app.ask(query, headers);
    shown.push(JSON.stringify(result));
    return result;
  };
  const ask = async (query: string, headers = app.admin) => {
    const { data, errors } = await answer(query, headers);
    expect(errors).toBeUndefined();
    return data;
  };
  const failure = async (query: string) => {
    const [error] = (await answer(query)).errors ?? [];
    return { code: error?.extensions.code, message: error?.message };
  };
  const command = async (...args: string[]) => {
    const result = await runCommand(['server', ...args], { NODE_ENV: 'test', DATA_DIR: app.services.config.dataDir });
    shown.push(JSON.stringify(result));
    return result;
  };
  const create = (slug: string, more = '') =>
    `mutation { createTenant(input: { slug: "${slug}", name: "x" ${more} }) { placement { server database schema } } }`;
  const inCatalog = (sql: string) => app.services.catalog.use((client) => client.query(sql));

  beforeAll(async () => {
    [app, second] = await Promise.all([startTestApp({}, { log }), startTestPostgres()]);
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
    await second[Symbol.asyncDispose]();
  });

  it('a server that is added is noticed by those that run', async () => {
    const url = await second.createRole('owner', passwords[0]);
    expect(await command('add', 'b', url)).toEqual({ exit: 0, stdout: 'The server b was added.\n', stderr: '' });
    await vi.waitFor(() => expect([...app.services.servers.keys()]).toEqual(['default', 'b']));
  });

  it('a tenant of either isolation is put on the server that is named, and works there', async () => {
    for (const [slug, isolation, server] of [
      ['a-db', 'DATABASE', 'default'],
      ['a-schema', 'SCHEMA', 'default'],
      ['b-db', 'DATABASE', 'b'],
      ['b-schema', 'SCHEMA', 'b'],
    ] as const) {
      expect(await ask(create(slug, `isolation: ${isolation}, server: "${server}"`))).toMatchObject({
        createTenant: { placement: { server } },
      });
      const own = await app.tokenFor(slug);
      await ask(
        `mutation { createProduct(input: { sku: "${slug}", name: "n", price: "1.00", currency: "EUR" }) { id } }`,
        own,
      );
      expect(await ask('{ products { nodes { sku } } }', own)).toEqual({ products: { nodes: [{ sku: slug }] } });
    }
    for (const slug of ['b-db', 'b-schema']) {
      const tenant = await app.services.directory.byReference(slug);
      const rows = await second.rows(`SELECT sku FROM "${tenant?.schema}".products`, [], tenant?.database);
      expect(rows).toEqual([{ sku: slug }]);
    }
  });

  it('a tenant goes to the server with the fewest tenants when none is named', async () => {
    const servers: unknown[] = [];
    for (const slug of ['first', 'second', 'third']) {
      servers.push((await ask(create(slug, 'isolation: SCHEMA')))?.createTenant);
    }
    expect(servers).toMatchObject(['default', 'b', 'default'].map((server) => ({ placement: { server } })));
  });

  it('a server that is unknown or accepts no tenants is refused, and left out', async () => {
    expect(await failure(create('nowhere', 'server: "c"'))).toEqual({
      code: 'NOT_FOUND',
      message: 'There is no server c. The servers are: default, b',
    });
    await inCatalog(`UPDATE servers SET accepts_tenants = false WHERE name = 'b'`);
    await vi.waitFor(async () =>
      expect(await ask('{ servers { acceptsTenants } }')).toMatchObject({
        servers: [{ acceptsTenants: true }, { acceptsTenants: false }],
      }),
    );
    expect(await failure(create('closed', 'server: "b"'))).toMatchObject({ code: 'CONFLICT' });
    // The default one has more tenants than b now.
    expect(await ask(create('fourth', 'isolation: SCHEMA'))).toMatchObject({
      createTenant: { placement: { server: 'default' } },
    });
    await inCatalog('UPDATE servers SET accepts_tenants = false');
    await ask('{ servers { name } }');
    expect(await failure(create('closed'))).toEqual({ code: 'CONFLICT', message: 'No server accepts new tenants' });
    await inCatalog('UPDATE servers SET accepts_tenants = true');
    expect(await ask('{ tenant(slug: "closed") { id } }')).toEqual({ tenant: null });
  });

  it('databases lists both servers’, each with its size', async () => {
    const data = await ask(
      '{ databases { totalCount system { name server sizeBytes tenants { slug } } tenants { server sizeBytes tenants { slug } } } }',
    );
    const sizeBytes = expect.any(Number);
    expect(data?.databases).toMatchObject({
      totalCount: 6,
      system: [
        { name: 'auth', server: 'default', sizeBytes },
        { name: 'constants', server: 'default', sizeBytes },
        { name: 'shared', server: 'default', sizeBytes },
        { name: 'shared', server: 'b', sizeBytes, tenants: [{ slug: 'b-schema' }, { slug: 'second' }] },
      ],
      tenants: [
        { server: 'default', sizeBytes, tenants: [{ slug: 'a-db' }] },
        { server: 'b', sizeBytes, tenants: [{ slug: 'b-db' }] },
      ],
    });
    const rows = await second.rows(`SELECT datname FROM pg_database WHERE datname IN ('auth', 'constants')`);
    expect(rows).toEqual([]);
  });

  it('health asks both servers', async () => {
    expect(await ask('{ health { status databases { name server ok } } }')).toEqual({
      health: {
        status: 'OK',
        databases: [
          { name: 'auth', server: 'default', ok: true },
          { name: 'constants', server: 'default', ok: true },
          { name: 'postgres', server: 'default', ok: true },
          { name: 'postgres', server: 'b', ok: true },
        ],
      },
    });
  });

  it('a server has a budget of its own, which may be changed and is kept to', async () => {
    await inCatalog(`UPDATE servers SET connection_budget = 5 WHERE name = 'b'`);
    const fields = 'name host port tenantCount connectionBudget acceptsTenants';
    expect(await ask(`{ servers { ${fields} } }`)).toMatchObject({
      servers: [
        { name: 'default', host: '127.0.0.1', tenantCount: 5, connectionBudget: 64 },
        {
          name: 'b',
          host: '127.0.0.1',
          port: second.address.port,
          tenantCount: 3,
          connectionBudget: 5,
          acceptsTenants: true,
        },
      ],
    });
    const tokens = await Promise.all(['b-db', 'b-schema', 'second'].map((slug) => app.tokenFor(slug)));
    let asking = true;
    const questions = Array.from({ length: 30 }, (_, index) => ask('{ products { totalCount } }', tokens[index % 3]));
    const busy = Promise.all(questions).finally(() => {
      asking = false;
    });
    const counts: number[] = [];
    while (asking) {
      const rows = await second.rows<{ count: number }>(
        `SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = 'tenantry'`,
      );
      counts.push(rows[0]?.count ?? 0);
    }
    await busy;
    expect(Math.max(...counts)).toBeLessThanOrEqual(5);
    expect(Math.max(...counts)).toBeGreaterThan(0);
  });

  it('a server can be given another password while it is used', async () => {
    const url = await second.createRole('owner', passwords[1]);
    expect(await command('add', 'b', url)).toMatchObject({ exit: 0, stdout: 'The URL of the server b was changed.\n' });
    await ask('{ servers { name } }');
    // None that was opened with the old password is left that could do the work.
    await second.rows(
      `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'tenantry'`,
    );
    await ask(create('after-rotation', 'server: "b", isolation: DATABASE'));
    await ask('{ products { totalCount } }', await app.tokenFor('after-rotation'));
  });

  it('a process with another ROLE_SECRET cannot read the URL, and says so; with the same one it can', async () => {
    const other = captureLog();
    const config = { ...app.services.config, roleSecret: 'another secret of at least 32 bytes' };
    await using stranger = await openTestApp(config, { log: other.log });
    expect(await stranger.ask('{ health { status databases { server ok } } }', stranger.admin)).toMatchObject({
      data: {
        health: {
          status: 'DEGRADED',
          databases: [{ ok: true }, { ok: true }, { ok: true }, { server: 'b', ok: false }],
        },
      },
    });
    const refused = await stranger.ask('{ products { totalCount } }', await stranger.tokenFor('b-db'));
    expect(refused.errors?.[0]?.extensions.code).toBe('SERVER_BUSY');
    expect(other.text()).toContain('stored with another ROLE_SECRET');
    await using friend = await openTestApp(app.services.config, { log });
    const served = await friend.ask('{ products { nodes { sku } } }', await friend.tokenFor('b-db'));
    expect(served).toEqual({ data: { products: { nodes: [{ sku: 'b-db' }] } } });
  });

  it('the URL is stored encrypted, and neither it nor its password is ever shown or logged', async () => {
    expect((await inCatalog('SELECT url FROM servers ORDER BY name')).rows).toEqual([
      { url: expect.stringMatching(/^sealed-v1:[\w-]+$/) },
      { url: null },
    ]);
    const url = `'postgres://owner:plain@127.0.0.1/postgres'`;
    await expect(inCatalog(`UPDATE servers SET url = ${url} WHERE name = 'b'`)).rejects.toThrow('servers_url_check');
    const everything = `${shown.join('\n')}\n${logged()}`;
    expect(everything).toContain('"server":"b"');
    for (const secret of passwords.flatMap((password) => [password, encodeURIComponent(password), 'owner:'])) {
      expect(everything).not.toContain(secret);
    }
  });
});
