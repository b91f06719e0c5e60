import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../../support/start-app.ts';
import { createTenants } from '../../support/tenants.ts';

interface Page {
  readonly cells: readonly { readonly id: string; readonly slug: string; readonly state: string | null }[];
  readonly deleted: readonly string[];
  readonly states: readonly { readonly id: string; readonly version: string | null; readonly behind: number }[];
  readonly hasMore: boolean;
  readonly cursor: string;
}

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp();
});
afterAll(async () => {
  await app[Symbol.asyncDispose]();
});

const fields = 'cells { id slug status isolation server state } deleted states { id version behind } hasMore cursor';

function ask(after?: string, headers = app.admin) {
  const args = after === undefined ? '' : `(after: ${JSON.stringify(after)})`;
  return app.ask(`{ fleetCells${args} { ${fields} } }`, headers);
}

async function read(after?: string): Promise<Page> {
  const { data, errors } = await ask(after);
  expect(errors).toBeUndefined();
  // The query selects the fields of Page.
  return (data as { fleetCells: Page }).fleetCells;
}

/** Reads until there is no more. */
async function readAll(after?: string): Promise<{ pages: Page[]; cursor: string }> {
  const pages = [await read(after)];
  for (let page = pages[0]; page?.hasMore; page = pages.at(-1)) pages.push(await read(page.cursor));
  return { pages, cursor: pages.at(-1)?.cursor ?? '' };
}

async function change(mutation: string): Promise<void> {
  expect((await app.ask(`mutation { ${mutation} { id } }`, app.admin)).errors).toBeUndefined();
}

const sql = (text: string, values: unknown[] = []) => app.services.catalog.use((client) => client.query(text, values));
const slugs = ({ cells }: Page) => cells.map(({ slug }) => slug).sort();

it('lists all tenants once, and then what has changed', async () => {
  const [one, two] = await createTenants(app, ['DATABASE', 'SCHEMA', 'SCHEMA']);
  const first = await read();
  expect(first).toMatchObject({ hasMore: false, deleted: [] });
  expect(slugs(first)).toEqual(['database-0', 'schema-1', 'schema-2']);
  const cell = first.cells.find(({ slug }) => slug === 'database-0');
  expect(cell).toMatchObject({ id: one?.row.id, status: 'ACTIVE', isolation: 'DATABASE', server: 'default' });
  expect(first.states).toEqual([{ id: cell?.state, version: expect.any(String), behind: 0 }]);

  const idle = await read(first.cursor);
  expect(idle).toMatchObject({ cells: [], deleted: [], hasMore: false, states: first.states });

  await change(`suspendTenant(id: "${one?.row.id}")`);
  await change(`deleteTenant(id: "${two?.row.id}", slug: "schema-1", purge: true)`);
  await createTenants(app, ['SCHEMA']);
  const changed = await read(idle.cursor);
  expect(changed).toMatchObject({ deleted: [two?.row.id], hasMore: false });
  expect(changed.cells.map(({ slug, ...rest }) => [slug, 'status' in rest && rest.status]).sort()).toEqual([
    ['database-0', 'SUSPENDED'],
    ['schema-0', 'ACTIVE'],
  ]);
  // What a reader missed stays readable for one that is slower.
  expect(await read(first.cursor)).toMatchObject({ deleted: [two?.row.id], cells: changed.cells });
  expect(await read(changed.cursor)).toMatchObject({ cells: [], deleted: [] });
});

it('does not report changes that no cell shows', async () => {
  const { cursor } = await readAll();
  await sql('UPDATE tenants SET maintained_at = now(), status = status, name = name');
  expect(await read(cursor)).toMatchObject({ cells: [], deleted: [] });
});

it('misses no transaction that was open while the fleet was read', async () => {
  const cursor = await app.services.catalog.use(async (client) => {
    await client.query('BEGIN');
    await client.query(`UPDATE tenants SET slug = 'renamed' WHERE slug = 'schema-2'`);
    // This transaction has a larger number, and commits first.
    await sql(`UPDATE tenants SET slug = 'renamed-too' WHERE slug = 'schema-0'`);
    const { cursor } = await readAll();
    expect(slugs(await read(cursor))).toEqual([]);
    await client.query('COMMIT');
    return cursor;
  });
  const later = await read(cursor);
  expect(slugs(later)).toEqual(['renamed']);
  expect(await read(later.cursor)).toMatchObject({ cells: [] });
});

it('does not report again and again what a dump has brought from a server with larger numbers of transactions', async () => {
  const { cursor } = await readAll();
  await sql(`UPDATE tenants SET changed_in = '999999999999'`);
  expect(await read(cursor)).toMatchObject({ cells: [], deleted: [] });
  await sql(`UPDATE tenants SET slug = 'restored' WHERE slug = 'renamed'`);
  expect(slugs(await read(cursor))).toEqual(['restored']);
});

it('reads a large fleet in pages, with what changes meanwhile', async () => {
  await insertTenants(6_000);
  const first = await read();
  expect(first).toMatchObject({ hasMore: true });
  expect(first.cells).toHaveLength(2_500);
  const gone = first.cells.find(({ slug }) => slug.startsWith('many-'));
  await sql('DELETE FROM tenants WHERE id = $1', [gone?.id]);
  const { pages, cursor } = await readAll(first.cursor);
  const all = [first, ...pages].flatMap(({ cells }) => cells.map(({ id }) => id));
  expect(new Set(all).size).toBe(all.length);
  expect(all).toHaveLength(6_003);
  expect(await read(cursor)).toMatchObject({ cells: [], deleted: [gone?.id] });

  await sql(`UPDATE tenants SET status = 'SUSPENDED' WHERE slug LIKE 'many-%'`);
  await sql(`DELETE FROM tenants WHERE slug LIKE 'many-1%'`);
  const changes = await readAll(cursor);
  const counts = changes.pages.map(({ cells, deleted }) => cells.length + deleted.length);
  expect(counts).toEqual([2_500, 2_500, 1_000]);
  const deleted = new Set(changes.pages.flatMap((page) => page.deleted));
  // Of 6,000 numbers 1,111 begin with 1. The tenant that is gone was deleted after the first page, so it is repeated.
  expect(deleted.size).toBe(gone?.slug.startsWith('many-1') ? 1_111 : 1_112);
  await sql(`DELETE FROM tenants WHERE slug LIKE 'many-%'`);
});

it('refuses cursors that it has not given, that are too old, or of a database that is ahead', async () => {
  const { cursor } = await read();
  const decoded = Buffer.from(cursor, 'base64url').toString();
  const [since] = JSON.parse(decoded);
  const encode = (...values: unknown[]) => Buffer.from(JSON.stringify(values)).toString('base64url');
  const wrong = [
    'x',
    encode(1),
    encode(null, null, null),
    encode(null, since, null),
    encode(since, null, 'one'),
    encode({ ...since, snapshot: '5:4:' }, null, null),
    encode({ ...since, snapshot: `1:99999999999:` }, null, null),
    encode({ ...since, at: since.at - 100_000 }, null, null),
    encode({ ...since, snapshot: '5:4:' }, since, crypto.randomUUID()),
    // As after the table has been restored from a dump.
    encode({ ...since, table: '1' }, null, null),
  ];
  for (const one of wrong) {
    expect((await ask(one)).errors?.[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'after' });
  }
  expect((await ask(encode(since, null, null))).errors).toBeUndefined();
});

it('is for platform admins', async () => {
  const codes = [await app.tokenFor('database-0'), {}].map(async (headers) => {
    const { data, errors } = await ask(undefined, headers);
    expect(data).toEqual({ fleetCells: null });
    return errors?.[0]?.extensions.code;
  });
  expect(await Promise.all(codes)).toEqual(['FORBIDDEN', 'UNAUTHENTICATED']);
});

it('forgets old deletions', async () => {
  await sql(`UPDATE tenant_deletions SET deleted_at = now() - interval '3 days'`);
  await insertTenants(1_000);
  await sql(`DELETE FROM tenants WHERE slug LIKE 'many-%'`);
  const { rows } = await sql('SELECT count(*)::int AS count FROM tenant_deletions');
  expect(rows).toEqual([{ count: 1_000 }]);
});

/** Rows of the catalog alone, without databases. */
async function insertTenants(count: number): Promise<void> {
  await sql(
    `INSERT INTO tenants (slug, name, status, isolation, key, server, database, schema, migration_state)
     SELECT 'many-' || n, 'Many', 'ACTIVE', 'SCHEMA', lpad(n::text, 10, '0'), 'default', 'shared', 'tenant_' || lpad(n::text, 10, '0'),
       (SELECT min(id) FROM migration_states)
     FROM generate_series(1, $1::int) AS n`,
    [count],
  );
}
