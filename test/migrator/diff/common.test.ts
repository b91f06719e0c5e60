import { defineEntity, p } from '@mikro-orm/core';
import type { EntitySchema } from '@mikro-orm/postgresql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkMigrations } from '../../../src/migrator/authoring/check.ts';
import { remakeSnapshot } from '../../../src/migrator/authoring/generate.ts';
import { entityTables } from '../../../src/migrator/diff/entity-tables.ts';
import { historyTable } from '../../../src/migrator/files/history.ts';
import { MigrationFolder } from '../../../src/migrator/files/migration-folder.ts';
import { type MigrationDir, makeMigrationDir } from '../../support/migration-dir.ts';
import { startTestApp, type TestApp } from '../../support/start-app.ts';

let app: TestApp;
let common: MigrationDir;
let tenant: MigrationDir;
const isolations = ['DATABASE', 'SCHEMA'] as const;

beforeAll(async () => {
  common = await makeMigrationDir({ empty: true });
  tenant = await makeMigrationDir({ empty: true });
  await common.addClass(
    '20270101000000_units',
    `up() {
       this.addSql('CREATE EXTENSION citext; CREATE TABLE units (code text PRIMARY KEY)');
       this.addSql("CREATE TYPE grade AS ENUM ('a', 'b'); CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n'");
     }
     down() { this.addSql('DROP FUNCTION twice; DROP TYPE grade; DROP TABLE units; DROP EXTENSION citext'); }`,
  );
  await tenant.addReversible(
    '20270101000000_stock',
    `CREATE TABLE stock (id uuid NOT NULL PRIMARY KEY, email citext NOT NULL, unit_code text NOT NULL REFERENCES units,
       grade grade NOT NULL, grades grade[] NOT NULL, amount int NOT NULL DEFAULT twice(4))`,
    'DROP TABLE stock',
  );
  app = await startTestApp({ COMMON_MIGRATIONS_DIR: common.path, TENANT_MIGRATIONS_DIR: tenant.path });
  for (const isolation of isolations) {
    const input = `{ slug: "own-${isolation.toLowerCase()}", name: "x", isolation: ${isolation} }`;
    const { errors } = await app.ask(`mutation { createTenant(input: ${input}) { id } }`, app.admin);
    expect(errors).toBeUndefined();
  }
});
afterAll(async () => {
  await app[Symbol.asyncDispose]();
  await common[Symbol.asyncDispose]();
  await tenant[Symbol.asyncDispose]();
});

const Unit = defineEntity({
  name: 'Unit',
  tableName: 'units',
  schema: 'common',
  properties: { code: p.text().primary() },
});

const columns = {
  id: p.uuid().primary(),
  email: p.string().columnType('citext'),
  grade: p.string().columnType('grade'),
  grades: p.array().columnType('grade[]'),
  amount: p.integer().defaultRaw('twice(4)'),
};

const named = (properties: Parameters<typeof defineEntity>[0]['properties']) =>
  // The properties are typed as those of any entity, whose own type is of no use here.
  defineEntity({ name: 'Stock', tableName: 'stock', schema: '*', properties }) as unknown as EntitySchema;

describe.each([
  ['a column of text', [named({ ...columns, unitCode: p.text().fieldName('unit_code') })]],
  [
    'a relation',
    [
      named({ ...columns, unit: () => p.manyToOne(Unit).fieldName('unit_code').index(false) }),
      Unit as unknown as EntitySchema,
    ],
  ],
])('entities whose tables use types, functions and rows of common, by %s', (_, entities) => {
  const tables = entityTables(entities, { ignored: [historyTable], compare: 'all' });
  const lines = () => {
    const shared = new MigrationFolder(common.path, 'COMMON');
    return { folder: new MigrationFolder(tenant.path, 'TENANT'), common: shared, tables };
  };
  const scratch = () => {
    const server = app.services.servers.get('default');
    if (!server) throw new Error('There is no server');
    return { server, authDatabase: 'auth', lockTimeoutMs: 2_000 };
  };

  it('match the migrations, in migrate check', async () => {
    expect(await checkMigrations({ ...scratch(), lines: [lines()] })).toEqual([]);
  });

  it.each(isolations)('match the tables of a tenant in a %s of its own', async (isolation) => {
    const { directory, servers } = app.services;
    const found = await directory.byReference(`own-${isolation.toLowerCase()}`);
    if (!found) throw new Error('There is no such tenant');
    const differences = servers
      .get('default')
      ?.owner(found.database, (client) => tables.differences(client, found.schema));
    expect(await differences).toEqual([]);
  });

  it('match the snapshot that the migrations make, so migrate new has nothing to write', async () => {
    const line = lines();
    const snapshot = await remakeSnapshot(line, line.common, scratch());
    expect(await tables.changesSince(snapshot)).toMatchObject({ up: [], down: undefined, warnings: [] });
    // With the snapshot that was written beside them.
    expect(await checkMigrations({ ...scratch(), lines: [line] })).toEqual([]);
  });
});
