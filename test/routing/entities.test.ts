import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/start-app.ts';

/** A column as PostgreSQL has it. */
interface Column {
  readonly column: string;
  readonly nullable: boolean;
}

describe('entities', () => {
  let app: TestApp;

  beforeAll(async () => {
    app = await startTestApp();
    for (const isolation of ['DATABASE', 'SCHEMA']) {
      const slug = isolation.toLowerCase();
      await app.ask(
        `mutation { createTenant(input: { slug: "${slug}", name: "x", isolation: ${isolation} }) { id } }`,
        app.admin,
      );
    }
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
  });

  /** An entity manager of each kind of database, with the schema that holds the tables. */
  const databaseOf = async (kind: string) => {
    const { catalog, constants, directory, tenants } = app.services;
    if (kind === 'auth') return { em: catalog.fork(), schema: 'public' };
    if (kind === 'constants') return { em: constants.fork(), schema: 'public' };
    const tenant = await directory.byReference(kind);
    if (!tenant) throw new Error(`There is no tenant ${kind}`);
    return { em: tenants.lease(tenant).em, schema: tenant.schema };
  };

  it.each(['auth', 'constants', 'database', 'schema'])('have tables that fit them: %s', async (kind) => {
    const { em, schema } = await databaseOf(kind);
    const entities = [...em.getMetadata().getAll().values()].filter(({ tableName }) => tableName);
    expect(entities.length).toBeGreaterThan(2);
    for (const { className, tableName, props } of entities) {
      const expected = props
        .filter(({ persist, fieldNames }) => persist !== false && fieldNames)
        .flatMap(({ fieldNames, nullable }) => fieldNames.map((column) => ({ column, nullable: nullable === true })));
      const columns: Column[] = await em.execute(
        `SELECT attname AS column, NOT attnotnull AS nullable FROM pg_attribute
         WHERE attrelid = to_regclass(format('%I.%I', ?::text, ?::text)) AND attnum > 0 AND NOT attisdropped`,
        [schema, tableName],
      );
      // A table may have columns that no entity names, but not the other way round.
      expect(columns, `${className} in ${tableName}`).toEqual(expect.arrayContaining(expected));
    }
  });
});
