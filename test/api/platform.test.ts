import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/start-app.ts';

describe('what a platform admin can ask for', () => {
  let app: TestApp;
  const ask = async (query: string, headers = app.admin) => {
    const { data, errors } = await app.ask(query, headers);
    expect(errors).toBeUndefined();
    return data;
  };
  const code = async (query: string, headers = app.admin) =>
    (await app.ask(query, headers)).errors?.[0]?.extensions.code;

  beforeAll(async () => {
    app = await startTestApp();
    for (const [slug, isolation] of Object.entries({
      'first-db': 'DATABASE',
      'a-schema': 'SCHEMA',
      'b-schema': 'SCHEMA',
    })) {
      await ask(
        `mutation { createTenant(input: { slug: "${slug}", name: "Of ${slug}", isolation: ${isolation}, host: "${slug}.example.com" }) { id } }`,
      );
    }
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
  });

  it('lists databases: the system’s, with the tenants inside them, and the tenants’ own', async () => {
    const data = await ask(
      '{ databases { totalCount system { name server sizeBytes tenants { slug } } tenants { name sizeBytes tenants { slug placement { database } } } } }',
    );
    expect(data?.databases).toMatchObject({
      totalCount: 4,
      system: [
        { name: 'auth', server: 'default', tenants: [] },
        { name: 'constants', tenants: [] },
        { name: 'shared', tenants: [{ slug: 'a-schema' }, { slug: 'b-schema' }], sizeBytes: expect.any(Number) },
      ],
      tenants: [
        {
          name: expect.stringMatching(/^db_[0-9a-z]{10}$/),
          sizeBytes: expect.any(Number),
          tenants: [{ slug: 'first-db' }],
        },
      ],
    });
  });

  it('lists servers', async () => {
    const { port } = app.services.servers.get('default')?.address ?? {};
    expect(
      await ask(
        '{ servers { name host port tenantCount connectionBudget connectionLimit processes processConnections connectionsInUse acceptsTenants } }',
      ),
    ).toEqual({
      servers: [
        {
          name: 'default',
          host: '127.0.0.1',
          port,
          tenantCount: 3,
          connectionBudget: 64,
          connectionLimit: expect.any(Number),
          processes: 1,
          processConnections: 64,
          connectionsInUse: expect.any(Number),
          acceptsTenants: true,
        },
      ],
    });
  });

  it('filters tenants', async () => {
    const slugs = async (filter: string) => {
      const data = await ask(`{ tenants(filter: ${filter}) { totalCount nodes { slug } } }`);
      return JSON.stringify(data);
    };
    expect(await slugs('{ isolation: SCHEMA }')).toContain('"totalCount":2');
    expect(await slugs('{ search: "FIRST" }')).toBe('{"tenants":{"totalCount":1,"nodes":[{"slug":"first-db"}]}}');
    expect(await slugs('{ search: "%" }')).toContain('"totalCount":0');
    expect(await slugs('{ status: SUSPENDED }')).toContain('"totalCount":0');
    expect(await slugs('{ server: "default", behind: false }')).toContain('"totalCount":3');
    expect(await slugs('{ behind: true }')).toContain('"totalCount":0');
  });

  it('pages through tenants, forwards and backwards', async () => {
    const seen: string[] = [];
    let after = '';
    for (let more = true; more; ) {
      const page = await tenantPage(`first: 1${after}`);
      seen.push(...page.nodes.map(({ slug }) => slug));
      more = page.pageInfo.hasNextPage;
      after = `, after: "${page.pageInfo.endCursor}"`;
    }
    expect(seen).toEqual(['first-db', 'a-schema', 'b-schema']);
    const last = await tenantPage('last: 1');
    expect(last.nodes).toEqual([{ slug: 'b-schema' }]);
    expect((await tenantPage(`last: 5, before: "${last.pageInfo.startCursor}"`)).nodes).toEqual([
      { slug: 'first-db' },
      { slug: 'a-schema' },
    ]);
  });

  it.each([
    ['nonsense', 'x'],
    ['a list too short', '["2026-01-01T00:00:00.000Z"]'],
    ['a date that is none', '["x","y"]'],
    ['an id that is none', '["2026-01-01T00:00:00.000Z","y"]'],
    ['numbers', '[1,2]'],
    ['null', 'null'],
    ['an object', '{"createdAt":1,"id":2}'],
  ])('refuses a cursor that is %s', async (_name, text) => {
    const cursor = Buffer.from(text).toString('base64url');
    for (const field of ['after', 'before']) {
      expect(await code(`{ tenants(${field}: "${cursor}") { nodes { slug } } }`)).toBe('BAD_USER_INPUT');
    }
  });

  it.each(['first: 0', 'first: -1', 'first: 101', 'last: 101', 'first: 1, last: 1'])(
    'refuses a page of %s',
    async (page) => {
      expect(await code(`{ tenants(${page}) { nodes { slug } } }`)).toBe('BAD_USER_INPUT');
    },
  );

  it('finds a tenant by id or slug, and says null for one that is not there', async () => {
    const data = await ask('{ tenant(slug: "first-db") { id host version behind members { role } createdAt } }');
    expect(data?.tenant).toEqual({
      id: expect.any(String),
      host: 'first-db.example.com',
      version: '20261121000000_fixture',
      behind: 0,
      members: [],
      createdAt: expect.any(String),
    });
    expect(await ask('{ tenant(slug: "nobody") { id } }')).toEqual({ tenant: null });
    expect(await code('{ tenant { id } }')).toBe('BAD_USER_INPUT');
    expect(await code('{ tenant(id: "x", slug: "y") { id } }')).toBe('BAD_USER_INPUT');
  });

  it('lists the migrations of each line', async () => {
    const data = await ask(
      '{ tenant: migrations { name scope hash transactional reversible statements } auth: migrations(scope: AUTH) { name scope } constants: migrations(scope: CONSTANTS) { scope } }',
    );
    expect(data).toMatchObject({
      tenant: [
        {
          name: '20261121000000_fixture',
          scope: 'TENANT',
          hash: expect.stringMatching(/^[0-9a-f]{64}$/),
          transactional: true,
          reversible: true,
          statements: expect.arrayContaining([expect.stringContaining('products')]),
        },
      ],
      auth: expect.arrayContaining([{ name: '20261121000000_initial', scope: 'AUTH' }]),
      constants: [{ scope: 'CONSTANTS' }],
    });
  });

  it('shows the history of each kind of database', async () => {
    const data = await ask(`{
      auth: migrationHistory(scope: AUTH, first: 100) { totalCount nodes { tenant { slug } scope name status } }
      constants: migrationHistory(scope: CONSTANTS) { nodes { scope name } }
      own: migrationHistory(tenant: "first-db") { nodes { tenant { slug } scope name status hash run error durationMs } }
      schema: migrationHistory(tenant: "a-schema", status: ROLLED_BACK) { totalCount }
      fleet: migrationHistory { totalCount }
    }`);
    expect(data).toMatchObject({
      auth: {
        nodes: expect.arrayContaining([
          { tenant: null, scope: 'AUTH', name: '20261121000000_initial', status: 'APPLIED' },
        ]),
      },
      constants: { nodes: [{ scope: 'CONSTANTS' }] },
      own: {
        nodes: [
          {
            tenant: { slug: 'first-db' },
            scope: 'TENANT',
            name: '20261121000000_fixture',
            status: 'APPLIED',
            error: null,
          },
        ],
      },
      schema: { totalCount: 0 },
      fleet: { totalCount: 0 },
    });
    expect(await code('{ migrationHistory(tenant: "nobody") { totalCount } }')).toBe('TENANT_NOT_FOUND');
    expect(await code('{ migrationHistory(tenant: "first-db", scope: AUTH) { totalCount } }')).toBe('BAD_USER_INPUT');
  });

  it('tells what the server is, and PostgreSQL’s clock of the tenant or of auth', async () => {
    const data = await ask(
      '{ server { name version startedAt } timestamp health { status databases { name ok } } }',
      {},
    );
    expect(data?.server).toEqual({
      name: 'Tenantry',
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      startedAt: expect.any(String),
    });
    expect(Math.abs(Date.parse(String(data?.timestamp)) - Date.now())).toBeLessThan(60_000);
    expect(data?.health).toMatchObject({ status: 'OK' });
    const own = await ask('{ timestamp }', await app.tokenFor('b-schema'));
    expect(Math.abs(Date.parse(String(own?.timestamp)) - Date.now())).toBeLessThan(60_000);
  });

  it('tells who the caller is', async () => {
    expect(await ask('{ viewer { isPlatformAdmin } }', {})).toEqual({ viewer: null });
    expect(
      await ask(
        '{ viewer { user { email } tenant { slug } role isPlatformAdmin permissions memberships { role } } }',
        await app.tokenFor('a-schema'),
      ),
    ).toEqual({
      viewer: {
        user: null,
        tenant: { slug: 'a-schema' },
        role: 'MEMBER',
        isPlatformAdmin: false,
        permissions: [],
        memberships: [],
      },
    });
  });

  async function tenantPage(args: string) {
    const data = await ask(`{ tenants(${args}) { nodes { slug } pageInfo { hasNextPage startCursor endCursor } } }`);
    // The shape that the query asks for.
    return data?.tenants as {
      nodes: { slug: string }[];
      pageInfo: { hasNextPage: boolean; startCursor: string; endCursor: string };
    };
  }
});
