import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { commandsOf } from '../../support/run-command.ts';
import { startTestApp, type TestApp } from '../../support/start-app.ts';
import { createTenants } from '../../support/tenants.ts';

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp();
});
afterAll(async () => {
  await app[Symbol.asyncDispose]();
});

const sql = (text: string) => app.services.catalog.use((client) => client.query(text));
const fields =
  'total behind needsAttention byStatus { status count } byVersion { version count behind } byServer { server count } byIsolation { isolation count }';

async function status(): Promise<unknown> {
  const { data, errors } = await app.ask(`{ fleetStatus { ${fields} } }`, app.admin);
  expect(errors).toBeUndefined();
  return data?.fleetStatus;
}

it('counts an empty fleet, and has no run to follow', async () => {
  expect(await status()).toEqual({
    total: 0,
    behind: 0,
    needsAttention: 0,
    byStatus: [],
    byVersion: [],
    byServer: [],
    byIsolation: [],
  });
  const command = commandsOf(app);
  expect(await command('migrate', 'watch')).toEqual({ exit: 0, stdout: '', stderr: 'There is no run yet.\n' });
  const shown = await command('status');
  expect(shown).toMatchObject({ exit: 0, stderr: '' });
  expect(shown.stdout).toContain('0 tenants, 0 behind, 0 in need of attention');
  expect(shown.stdout).toContain('There is no run yet.');
});

it('counts the fleet by status, version, server and isolation', async () => {
  await createTenants(app, ['DATABASE', 'SCHEMA', 'SCHEMA', 'SCHEMA']);
  const { rows } = await sql('SELECT version FROM migration_states');
  const [{ version }] = rows as [{ version: string }];
  await sql(`INSERT INTO migration_states (id, applied, version) VALUES ('old', '[]', NULL)`);
  await sql(`UPDATE tenants SET migration_state = 'old' WHERE slug IN ('schema-1', 'schema-2')`);
  await sql(`UPDATE tenants SET status = 'NEEDS_ATTENTION', migration_state = NULL WHERE slug = 'schema-2'`);
  await sql(`UPDATE tenants SET status = 'SUSPENDED' WHERE slug = 'schema-3'`);
  const expected = {
    total: 4,
    behind: 1,
    needsAttention: 1,
    byStatus: [
      { status: 'ACTIVE', count: 2 },
      { status: 'SUSPENDED', count: 1 },
      { status: 'NEEDS_ATTENTION', count: 1 },
    ],
    byVersion: [
      { version, count: 2, behind: 0 },
      { version: null, count: 2, behind: 1 },
    ],
    byServer: [{ server: 'default', count: 4 }],
    byIsolation: [
      { isolation: 'DATABASE', count: 1 },
      { isolation: 'SCHEMA', count: 3 },
    ],
  };
  // The counts may be a second old.
  await eventually('the counts are current', async () => JSON.stringify(await status()) === JSON.stringify(expected));
  const { stdout } = await commandsOf(app)('status');
  expect(stdout).toContain('4 tenants, 1 behind, 1 in need of attention');
  expect(stdout).toContain('attention     schema-2; see');
});

it('is for platform admins', async () => {
  for (const [headers, code] of [
    [await app.tokenFor('database-0'), 'FORBIDDEN'],
    [{}, 'UNAUTHENTICATED'],
  ] as const) {
    const { data, errors } = await app.ask(
      '{ fleetStatus { total } migrationRuns { nodes { failures { count } waveStatus { number } } } tenants(orderBy: { name: ASC }) { totalCount } }',
      headers,
    );
    expect(data).toEqual({ fleetStatus: null, migrationRuns: null, tenants: null });
    expect(errors?.map(({ extensions }) => extensions.code)).toEqual([code, code, code]);
  }
});

interface Page {
  readonly edges: readonly { readonly cursor: string; readonly node: { readonly slug: string } }[];
  readonly pageInfo: {
    readonly hasNextPage: boolean;
    readonly hasPreviousPage: boolean;
    readonly endCursor: string;
    readonly startCursor: string;
  };
  readonly totalCount: number;
}

async function list(args: string): Promise<Page> {
  const { data, errors } = await app.ask(
    `{ tenants(${args}) { totalCount edges { cursor node { slug } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`,
    app.admin,
  );
  expect(errors).toBeUndefined();
  // The query selects the fields of Page.
  return (data as { tenants: Page }).tenants;
}

const slugsOf = ({ edges }: Page) => edges.map(({ node }) => node.slug);

it('lists tenants in any order', async () => {
  const order = async (by: string) => slugsOf(await list(`orderBy: ${by}`)).join(' ');
  expect(await order('{ slug: DESC }')).toBe('schema-3 schema-2 schema-1 database-0');
  expect(await order('[{ status: DESC }, { slug: ASC }]')).toBe('schema-3 schema-2 database-0 schema-1');
  expect(await order('[{ version: ASC }, { slug: DESC }]')).toBe('schema-3 database-0 schema-2 schema-1');
  expect(await order('[{ version: ASC_NULLS_FIRST }, { slug: ASC }]')).toBe('schema-1 schema-2 database-0 schema-3');
  await sql(`UPDATE tenants SET last_migrated_at = NULL WHERE slug = 'schema-3'`);
  await sql(`UPDATE tenants SET last_migrated_at = '2020-01-01' WHERE slug = 'schema-2'`);
  await sql(`UPDATE tenants SET last_migrated_at = '2021-01-01' WHERE slug = 'schema-1'`);
  await sql(`UPDATE tenants SET last_migrated_at = '2022-01-01' WHERE slug = 'database-0'`);
  expect(await order('{ lastMigratedAt: DESC_NULLS_LAST }')).toBe('database-0 schema-1 schema-2 schema-3');
  expect(await order('{ lastMigratedAt: DESC }')).toBe('schema-3 database-0 schema-1 schema-2');
  expect(slugsOf(await list('filter: { status: ACTIVE }, orderBy: { createdAt: DESC }'))).toHaveLength(2);
});

it('goes through equal tenants page by page, forwards and backwards', async () => {
  for (const by of [
    '{ name: ASC }',
    '{ version: DESC }',
    '[{ lastMigratedAt: ASC_NULLS_FIRST }]',
    '[{ status: ASC }, { version: ASC }]',
  ]) {
    await sql(`UPDATE tenants SET name = 'The same'`);
    const all = await list(`orderBy: ${by}`);
    expect(all).toMatchObject({ totalCount: 4, pageInfo: { hasNextPage: false, hasPreviousPage: false } });
    const forwards: string[] = [];
    for (let after = ''; ; ) {
      const page = await list(`orderBy: ${by}, first: 1${after}`);
      forwards.push(...slugsOf(page));
      if (!page.pageInfo.hasNextPage) break;
      after = `, after: "${page.pageInfo.endCursor}"`;
    }
    expect(forwards).toEqual(slugsOf(all));
    const backwards: string[] = [];
    for (let before = ''; ; ) {
      const page = await list(`orderBy: ${by}, last: 3${before}`);
      backwards.unshift(...slugsOf(page));
      if (!page.pageInfo.hasPreviousPage) break;
      before = `, before: "${page.pageInfo.startCursor}"`;
    }
    expect(backwards).toEqual(slugsOf(all));
  }
});

it('refuses a cursor of another order, a column that comes twice, and wrong values', async () => {
  const { edges } = await list('orderBy: { name: ASC }');
  const forged = Buffer.from(JSON.stringify(['createdAt ASC', 'yesterday or so', 'x'])).toString('base64url');
  for (const [args, field] of [
    [`orderBy: { slug: ASC }, after: "${edges[0]?.cursor}"`, 'after'],
    [`orderBy: { createdAt: ASC }, after: "${forged}"`, 'after'],
    [`orderBy: { createdAt: ASC }, before: "${forged}"`, 'before'],
    ['orderBy: [{ name: ASC }, { name: DESC }]', 'orderBy'],
    ['orderBy: { name: ASC }, first: 101', 'first'],
  ]) {
    const { errors } = await app.ask(`{ tenants(${args}) { totalCount } }`, app.admin);
    expect(errors?.[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field });
  }
});

it('says when a tenant was last migrated', async () => {
  const { data } = await app.ask('{ tenants { nodes { slug lastMigratedAt } } }', app.admin);
  expect(data?.tenants).toMatchObject({
    nodes: expect.arrayContaining([
      { slug: 'schema-3', lastMigratedAt: null },
      { slug: 'schema-1', lastMigratedAt: '2021-01-01T00:00:00.000Z' },
    ]),
  });
  const start = Date.now();
  await sleep(5);
  await sql(`UPDATE tenants SET migration_state = NULL WHERE slug = 'schema-1'`);
  await sql(`UPDATE tenants SET migration_state = 'old' WHERE slug = 'schema-1'`);
  const { data: after } = await app.ask('{ tenant(slug: "schema-1") { lastMigratedAt } }', app.admin);
  const tenant = after?.tenant as { lastMigratedAt: string } | undefined;
  expect(Date.parse(tenant?.lastMigratedAt ?? '')).toBeGreaterThan(start);
});
