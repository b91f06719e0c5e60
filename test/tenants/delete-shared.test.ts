import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quoteIdentifier } from '../../src/postgres/sql/quote.ts';
import { Fleet } from '../support/fleet.ts';
import { commandsOf } from '../support/run-command.ts';

let fleet: Fleet;

beforeAll(async () => {
  fleet = await Fleet.start();
});

afterAll(() => fleet[Symbol.asyncDispose]());

const deletion = (slug: string, purge = true) =>
  `mutation { deleteTenant(id: "${slug}", slug: "${slug}", purge: ${purge}) { slug } }`;

/** What a migration did before such statements were refused: an extension in the schema of the tenant that came first. */
async function createExtensionIn(slug: string, extension: string): Promise<void> {
  const { schema } = await fleet.tenant(slug);
  await fleet.inTenant(slug, `CREATE EXTENSION ${quoteIdentifier(extension)} SCHEMA ${quoteIdentifier(schema)}`);
}

/** Sends a statement to a tenant's schema in which names of another tenant's schema are found too. */
async function withPath<Row extends Record<string, unknown>>(slug: string, other: string, sql: string): Promise<Row[]> {
  const session = await fleet.sessionIn(slug);
  const schemas = await Promise.all([slug, other].map((one) => fleet.tenant(one)));
  await session.query(`SET search_path = ${schemas.map(({ schema }) => quoteIdentifier(schema)).join(', ')}`);
  const { rows } = await session.query<Row>(sql);
  await fleet.end(session);
  return rows;
}

async function extensionSchema(slug: string, extension: string): Promise<string | undefined> {
  const sql = `SELECT nspname AS name FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = '${extension}'`;
  return (await fleet.inTenant<{ name: string }>(slug, sql))[0]?.name;
}

describe('deleting a tenant of a shared database', () => {
  // Case 16; https://www.postgresql.org/docs/current/sql-alterextension.html, https://www.postgresql.org/docs/current/btree-gist.html
  it('moves an extension in its schema to common, so that the others keep their constraints and data', async () => {
    await fleet.createTenants({ ext1: 'SCHEMA', ext2: 'SCHEMA' });
    await createExtensionIn('ext1', 'btree_gist');
    await createExtensionIn('ext1', 'citext');
    const bookings = `CREATE TABLE bookings (room int, during tsrange, guest citext,
      EXCLUDE USING gist (room WITH =, during WITH &&))`;
    await withPath('ext2', 'ext1', bookings);
    await fleet.inTenant('ext2', `INSERT INTO bookings VALUES (1, '[2027-01-01, 2027-01-02)', 'Ann')`);
    await fleet.ask(deletion('ext1'));
    expect(await extensionSchema('ext2', 'btree_gist')).toBe('common');
    expect(await fleet.inTenant('ext2', 'SELECT guest::text FROM bookings')).toEqual([{ guest: 'Ann' }]);
    const again = `INSERT INTO bookings VALUES (1, '[2027-01-01, 2027-01-03)', 'Bo')`;
    await expect(fleet.inTenant('ext2', again)).rejects.toMatchObject({ code: '23P01' });
  });

  // https://www.postgresql.org/docs/current/ddl-depend.html
  it.each([
    ['a foreign key', 'CREATE TABLE mine (unit text REFERENCES units)', 'table constraint'],
    ['a column of a type', 'CREATE TABLE mine (grade grade)', 'table column'],
    ['a view', 'CREATE VIEW mine AS SELECT code FROM units', 'rule'],
    ['a default', 'CREATE TABLE mine (n int DEFAULT one())', 'default value'],
  ])('is refused while %s of another tenant depends on it, and names that', async (_, sql, kind) => {
    const [used, user] = ['dep1', 'dep2'];
    await fleet.createTenants({ [used]: 'SCHEMA', [user]: 'SCHEMA' });
    await fleet.inTenant(
      used,
      `CREATE TABLE units (code text PRIMARY KEY); CREATE TYPE grade AS ENUM ('a'); CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
    );
    await withPath(user, used, sql);
    const refusal = await fleet.refusal(deletion(used));
    // Nor can it be put into the bin, from where it could not be removed.
    expect(await fleet.refusal(deletion(used, false))).toEqual(refusal);
    expect(refusal.code).toBe('CONFLICT');
    expect(refusal.message).toContain(`${kind}`);
    const { schema } = await fleet.tenant(user);
    expect(refusal.message).toContain(`${schema}.mine`);
    expect(await fleet.ask(`{ tenant(slug: "${used}") { status } }`)).toEqual({ tenant: { status: 'ACTIVE' } });
    await fleet.ask(deletion(user));
    await fleet.ask(deletion(used));
  });

  // Case 16, an installation that has it so already.
  it('doctor finds an extension in the schema of a tenant, and --fix moves it to common', async () => {
    await fleet.createTenants({ doc1: 'SCHEMA', doc2: 'SCHEMA' });
    await createExtensionIn('doc1', 'hstore');
    await createExtensionIn('doc1', 'cube');
    await withPath('doc2', 'doc1', `CREATE TABLE settings (value hstore)`);
    const run = commandsOf(fleet.app);
    const found = await run('doctor');
    expect(found.exit).toBe(1);
    expect(found.stdout).toMatch(
      /schemas of single tenants in the database shared on the server default: cube in the schema tenant_\w+ of the tenant doc1, hstore in/,
    );
    const fixed = await run('doctor', '--fix', '--yes');
    const [before = '', after] = fixed.stdout.split('Checking again:');
    expect(before).toContain('Fixed: Extensions that all tenants may use');
    // What is left is that the tables of these tests differ, which were made by hand.
    expect(after).not.toMatch(/extension/i);
    expect(await extensionSchema('doc2', 'hstore')).toBe('common');
    const pool = fleet.app.services.tenants.pool(await fleet.tenant('doc2'));
    const { rows } = await pool.use((client) => client.query(`SELECT ('a=>1'::hstore) -> 'a' AS a`));
    expect(rows).toEqual([{ a: '1' }]);
  });
});
