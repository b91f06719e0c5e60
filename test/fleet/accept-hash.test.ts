import { afterAll, beforeAll, expect, it } from 'vitest';
import { lockKeyOf, lockKind } from '../../src/postgres/sql/advisory-lock.ts';
import { quoteIdentifier, quoteLiteral } from '../../src/postgres/sql/quote.ts';
import { type MigrationDir, makeMigrationDir } from '../support/migration-dir.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';

let app: TestApp;
let migrations: MigrationDir;
const changed = '20270101000000_one';
const hashes: string[] = [];

beforeAll(async () => {
  migrations = await makeMigrationDir();
  await migrations.add(changed, 'CREATE TABLE one (id int)');
  app = await startTestApp({ TENANT_MIGRATIONS_DIR: migrations.path });
  for (const [slug, isolation] of Object.entries({ 'a-db': 'DATABASE', 'b-schema': 'SCHEMA', 'c-db': 'DATABASE' })) {
    await ask(`mutation { createTenant(input: { slug: "${slug}", name: "x", isolation: ${isolation} }) { id } }`);
  }
  hashes.push(await hashNow());
  await change('CREATE TABLE one (id bigint)');
});
afterAll(async () => {
  await app[Symbol.asyncDispose]();
  await migrations[Symbol.asyncDispose]();
});

const ask = async (query: string, headers = app.admin) => {
  const { data, errors } = await app.ask(query, headers);
  expect(errors).toBeUndefined();
  return data;
};
const accept = (args: string) =>
  `mutation { acceptMigrationHash(${args}) { tenant { slug } scope name status hash previousHash acceptedBy error } }`;
const code = async (args: string, headers = app.admin) =>
  (await app.ask(accept(args), headers)).errors?.[0]?.extensions.code;
const fleet = `migration: "${changed}"`;

async function hashNow(): Promise<string> {
  const files = await app.services.migrations.tenant.read();
  return files.find(({ name }) => name === changed)?.hash ?? '';
}
async function change(up: string) {
  await migrations.add(changed, up);
  hashes.push(await hashNow());
}
/** The slugs of tenants that may not be migrated, as the catalog knows it or as they are themselves. */
async function refused(verify: boolean) {
  const data = await ask(`{ migrationPlan(input: { verify: ${verify} }) { tenants { tenant { slug } refusal } } }`);
  // The shape that the query asks for.
  const { tenants } = (data as { migrationPlan: { tenants: { tenant: { slug: string }; refusal: string }[] } })
    .migrationPlan;
  for (const { refusal } of tenants) expect(refusal).toMatch(/^MIGRATION_CHANGED: .*acceptMigrationHash/);
  return tenants.map(({ tenant }) => tenant.slug);
}
async function placement(slug: string) {
  const tenant = await app.services.directory.byReference(slug);
  const server = app.services.servers.get('default');
  if (!tenant || !server) throw new Error(`no tenant ${slug}`);
  return { tenant, server };
}

it('accepts it in one tenant, which is refused no more; the others are', async () => {
  expect(await refused(false)).toEqual(['a-db', 'b-schema', 'c-db']);
  const [before, now] = hashes;
  const admin = await app.services.tokens.issue({ platformAdmin: true, email: 'ops@example.com', expiresIn: '1h' });
  const data = await ask(accept(`tenant: "a-db", ${fleet}`), { authorization: `Bearer ${admin}` });
  expect(data?.acceptMigrationHash).toEqual([
    {
      tenant: { slug: 'a-db' },
      scope: 'TENANT',
      name: changed,
      status: 'APPLIED',
      hash: now,
      previousHash: before,
      acceptedBy: 'ops@example.com',
      error: null,
    },
  ]);
  expect(await refused(false)).toEqual(['b-schema', 'c-db']);
  expect(await refused(true)).toEqual(['b-schema', 'c-db']);
});

it('accepts it in the rest of the fleet, tells which tenant failed, and tries that one again', async () => {
  const { tenant, server } = await placement('c-db');
  const database = quoteIdentifier(tenant.database);
  await app.services.tenants.close(tenant);
  await server.admin((admin) => admin.query(`ALTER DATABASE ${database} RENAME TO elsewhere`));
  const first = await ask(accept(fleet));
  await server.admin((admin) => admin.query(`ALTER DATABASE elsewhere RENAME TO ${database}`));
  expect(first?.acceptMigrationHash).toMatchObject([
    { tenant: { slug: 'b-schema' }, previousHash: hashes[0], error: null, acceptedBy: 'a platform admin' },
    { tenant: { slug: 'c-db' }, previousHash: null, error: expect.stringContaining('does not exist') },
  ]);
  expect(await refused(true)).toEqual(['c-db']);
  const second = await ask(accept(`${fleet}, scope: TENANT`));
  expect(second?.acceptMigrationHash).toMatchObject([{ tenant: { slug: 'c-db' }, error: null }]);
  expect(await refused(true)).toEqual([]);
});

it('lets runs go on', async () => {
  await migrations.add('20270102000000_two', 'CREATE TABLE two (id int)');
  const data = await ask('mutation { runMigrations(input: { wait: true }) { status succeeded failed } }');
  expect(data?.runMigrations).toEqual({ status: 'SUCCEEDED', succeeded: 3, failed: 0 });
});

it('is kept in the history of the fleet, with who did it and both hashes', async () => {
  const data = await ask(
    '{ migrationHistory(first: 100) { nodes { tenant { slug } name hash previousHash acceptedBy appliedAt } } }',
  );
  // The shape that the query asks for.
  const { nodes } = (data as { migrationHistory: { nodes: { acceptedBy: string | null }[] } }).migrationHistory;
  const one = { name: changed, hash: hashes[1], previousHash: hashes[0], appliedAt: expect.any(String) };
  expect(nodes.filter(({ acceptedBy }) => acceptedBy !== null)).toEqual([
    { ...one, tenant: { slug: 'c-db' }, acceptedBy: 'a platform admin' },
    { ...one, tenant: { slug: 'b-schema' }, acceptedBy: 'a platform admin' },
    { ...one, tenant: { slug: 'a-db' }, acceptedBy: 'ops@example.com' },
  ]);
});

it('changes nothing where nothing differs, and says so', async () => {
  expect(await code(fleet)).toBe('CONFLICT');
  expect(await code(`tenant: "b-schema", ${fleet}`)).toBe('CONFLICT');
  await migrations.add('20270103000000_three', 'SELECT 1');
  expect(await code('tenant: "a-db", migration: "20270103000000_three"')).toBe('CONFLICT');
  await migrations.remove('20270103000000_three');
});

it('brings the catalog up to date when it did not know that a tenant has the hash already', async () => {
  const { tenant } = await placement('a-db');
  await app.services.catalog.use((client) =>
    client.query(
      `UPDATE tenants SET migration_state = (SELECT id FROM migration_states WHERE applied @> $2::jsonb LIMIT 1) WHERE id = $1`,
      [tenant.id, JSON.stringify([{ name: changed, hash: hashes[0] }])],
    ),
  );
  expect(await refused(false)).toEqual(['a-db']);
  expect(await code(fleet)).toBe('CONFLICT');
  expect(await refused(false)).toEqual([]);
});

it('waits for a migration that is under way in the tenant', async () => {
  await change('CREATE TABLE one (id smallint)');
  const { tenant, server } = await placement('b-schema');
  await server.owner(tenant.database, async (client) => {
    const key = lockKeyOf(quoteLiteral(tenant.schema));
    await client.query(`SELECT pg_advisory_lock(${lockKind.migrate}, ${key})`);
    const answer = ask(accept(`tenant: "b-schema", ${fleet}`));
    const waits = async () =>
      (
        await client.query(
          `SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = ${lockKind.migrate} AND NOT granted`,
        )
      ).rowCount;
    await expect.poll(waits, { timeout: 20_000 }).toBe(1);
    await client.query(`SELECT pg_advisory_unlock(${lockKind.migrate}, ${key})`);
    expect((await answer)?.acceptMigrationHash).toMatchObject([{ previousHash: hashes[1], hash: hashes[2] }]);
  });
});

it.each([
  ['AUTH', 'auth', '20261121000000_initial'],
  ['CONSTANTS', 'constants', '20261121000000_currencies_and_countries'],
])('accepts it in the system database of %s', async (scope, database, migration) => {
  await app.services.servers
    .get('default')
    ?.owner(database, (client) =>
      client.query(`UPDATE migration_history SET hash = 'as it was' WHERE name = $1`, [migration]),
    );
  const data = await ask(accept(`scope: ${scope}, migration: "${migration}"`));
  const record = { tenant: null, scope, name: migration, previousHash: 'as it was', error: null };
  expect(data?.acceptMigrationHash).toMatchObject([record]);
  const history = await ask(`{ migrationHistory(scope: ${scope}, first: 100) { nodes { name hash } } }`);
  const { hash } = (await app.services.migrations[scope === 'AUTH' ? 'auth' : 'constants'].read())[0] ?? {};
  expect(history?.migrationHistory).toMatchObject({ nodes: expect.arrayContaining([{ name: migration, hash }]) });
  expect(await code(`scope: ${scope}, migration: "${migration}"`)).toBe('CONFLICT');
});

it('refuses what makes no sense', async () => {
  expect(await code('migration: "20200101000000_nothing"')).toBe('NOT_FOUND');
  expect(await code(`scope: AUTH, ${fleet}`)).toBe('NOT_FOUND');
  expect(await code(`tenant: "nobody", ${fleet}`)).toBe('NOT_FOUND');
  expect(await code('tenant: "a-db", scope: AUTH, migration: "20261121000000_initial"')).toBe('BAD_USER_INPUT');
  expect(await code(fleet, await app.tokenFor('a-db'))).toBe('FORBIDDEN');
});
