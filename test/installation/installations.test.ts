import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ForeignDatabaseError } from '../../src/servers/ownership.ts';
import { startTestApp } from '../support/start-app.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

describe('several installations on one PostgreSQL', () => {
  let postgres: TestPostgres;
  const names = (prefix: string) => ({
    AUTH_DATABASE: `${prefix}_auth`,
    CONSTANTS_DATABASE: `${prefix}_constants`,
    SHARED_DATABASE: `${prefix}_shared`,
  });
  const create = (slug: string, isolation: string) =>
    `mutation { createTenant(input: { slug: "${slug}", name: "x", isolation: ${isolation}, host: "${slug}.example.com" }) { status } }`;
  const ready = { data: { createTenant: { status: 'ACTIVE' } } };

  beforeAll(async () => {
    postgres = await startTestPostgres();
  });
  afterAll(async () => {
    await postgres[Symbol.asyncDispose]();
  });

  /** What a database lets be done, and holds. */
  const stateOf = async (database: string) => ({
    acl: await postgres.rows('SELECT datacl::text FROM pg_database WHERE datname = $1', [database]),
    schemas: await postgres.rows('SELECT nspname, nspacl::text FROM pg_namespace ORDER BY 1', [], database),
    tables: await postgres.rows(
      `SELECT relnamespace::regnamespace::text AS schema, relname FROM pg_class WHERE oid >= 16384 ORDER BY 1, 2`,
      [],
      database,
    ),
  });

  it('have tenants of the same name and do not meet', async () => {
    await using one = await startTestApp({ ...postgres.env, ...names('one') });
    await using two = await startTestApp({ ...postgres.env, ...names('two') });
    for (const [app, sku] of [
      [one, 'one'],
      [two, 'two'],
    ] as const) {
      for (const isolation of ['DATABASE', 'SCHEMA']) {
        const slug = `same-${isolation.toLowerCase()}`;
        expect(await app.ask(create(slug, isolation), app.admin)).toEqual(ready);
        await app.ask(
          `mutation { createProduct(input: { sku: "${sku}", name: "n", price: "1", currency: "EUR" }) { id } }`,
          await app.tokenFor(slug),
        );
      }
    }
    for (const [app, sku] of [
      [one, 'one'],
      [two, 'two'],
    ] as const) {
      for (const slug of ['same-database', 'same-schema']) {
        expect(await app.ask('{ products { nodes { sku } } }', await app.tokenFor(slug))).toEqual({
          data: { products: { nodes: [{ sku }] } },
        });
      }
      const run = 'mutation { runMigrations(input: { wait: true, verify: true }) { status total } }';
      expect(await app.ask(run, app.admin)).toEqual({ data: { runMigrations: { status: 'SUCCEEDED', total: 2 } } });
    }
    const templates = await postgres.rows<{ name: string }>(
      `SELECT substr(datname, 1, 18) AS name FROM pg_database WHERE datname LIKE '%template\\_%' ORDER BY 1`,
    );
    expect(templates.map(({ name }) => name)).toEqual(['one_auth_template_', 'two_auth_template_']);
  });

  it('cannot reach each other’s databases with the roles of the other', async () => {
    const roles = await postgres.rows<{ role: string; database: string }>(
      `SELECT rolname AS role, datname AS database FROM pg_roles, pg_database
       WHERE (rolname LIKE 'one\\_auth\\_%' AND datname LIKE 'two\\_%' OR rolname LIKE 'two\\_auth\\_%' AND datname LIKE 'one\\_%')
         AND has_database_privilege(rolname, datname, 'CONNECT')`,
    );
    expect(roles).toEqual([]);
  });

  it.each(['AUTH_DATABASE', 'CONSTANTS_DATABASE', 'SHARED_DATABASE'])(
    'refuse to start when %s is somebody else’s, and leave it alone',
    async (setting) => {
      const foreign = `foreign_${setting.toLowerCase()}`;
      await postgres.rows(`CREATE DATABASE ${foreign}`);
      // Not in the schema that ours are in, for others put theirs elsewhere too.
      await postgres.rows('CREATE SCHEMA theirs; CREATE TABLE theirs.treasure (id int)', undefined, foreign);
      const before = await stateOf(foreign);
      const start = startTestApp({ ...postgres.env, ...names('fifth'), [setting]: foreign });
      await expect(start).rejects.toThrow(ForeignDatabaseError);
      await expect(start).rejects.toThrow(`${foreign} has tables`);
      await expect(start).rejects.toThrow(setting);
      expect(await stateOf(foreign)).toEqual(before);
    },
  );

  it.each(['CONSTANTS_DATABASE', 'SHARED_DATABASE'] as const)(
    'refuse to start when %s is another installation’s, and leave it alone',
    async (setting) => {
      const theirs = names('one')[setting];
      const before = await stateOf(theirs);
      await expect(startTestApp({ ...postgres.env, ...names('three'), [setting]: theirs })).rejects.toThrow(
        ForeignDatabaseError,
      );
      expect(await stateOf(theirs)).toEqual(before);
    },
  );

  it('take a database that is there and empty, but for what extensions made', async () => {
    await postgres.rows('CREATE DATABASE four_auth');
    await postgres.rows('CREATE EXTENSION pg_stat_statements', undefined, 'four_auth');
    await using app = await startTestApp({ ...postgres.env, ...names('four') });
    expect(await app.ask(create('a-tenant', 'SCHEMA'), app.admin)).toEqual(ready);
  });

  it('start again on what they made themselves', async () => {
    await using app = await startTestApp({ ...postgres.env, ...names('one') });
    expect(await app.ask('{ products { nodes { sku } } }', await app.tokenFor('same-schema'))).toEqual({
      data: { products: { nodes: [{ sku: 'one' }] } },
    });
  });
});
