import { defineEntity, p } from '@mikro-orm/core';
import type { EntitySchema } from '@mikro-orm/postgresql';
import { describe, expect, it } from 'vitest';
import { readSnapshot, writeSnapshot } from '../../../src/migrator/authoring/schema-snapshot.ts';
import { entityTables } from '../../../src/migrator/diff/entity-tables.ts';
import { tableSnapshot } from '../../../src/migrator/diff/snapshot.ts';
import { MigrationFolder } from '../../../src/migrator/files/migration-folder.ts';
import { everyEntity } from '../../support/every-entity/every-entity.ts';
import { makeMigrationDir } from '../../support/migration-dir.ts';

const tablesOf = (...entities: EntitySchema[]) => entityTables(entities, { ignored: [], compare: 'all' });

type Properties = Parameters<typeof defineEntity>[0]['properties'];

const animals = (properties: Properties) =>
  // The properties are typed as those of any entity, whose own type is of no use here.
  defineEntity({
    name: 'Animal',
    tableName: 'animals',
    schema: '*',
    properties: { id: p.integer().primary(), ...properties },
  }) as unknown as EntitySchema;

const keepers = () =>
  defineEntity({
    name: 'Keeper',
    tableName: 'keepers',
    schema: '*',
    properties: {
      badge: p.text().primary(),
      since: p.datetime(3).defaultRaw('now()'),
      pay: p.decimal().check('pay > 0'),
    },
  }) as unknown as EntitySchema;

/** What leads from the one to the other, by way of a file. */
function changes(before: EntitySchema[], after: EntitySchema[]) {
  const stored = tableSnapshot.parse(JSON.parse(JSON.stringify(tablesOf(...before).snapshot())));
  return tablesOf(...after).changesSince(stored);
}

describe('changes since a snapshot, told without a database', () => {
  it('are none while the entities say the same', async () => {
    const same = () => [animals({ name: p.text().unique(), legs: p.smallint().default(4) }), keepers()];
    expect(await changes(same(), same())).toMatchObject({ up: [], down: undefined, warnings: [] });
  });

  it.each(Object.entries(everyEntity))('are none after the file is written and read: %s', async (_, entities) => {
    await using dir = await makeMigrationDir({ empty: true });
    await dir.add('20270101000000_create', 'SELECT 1');
    const folder = new MigrationFolder(dir.path, 'TENANT');
    const files = await folder.read();
    await writeSnapshot(folder, files, tablesOf(...entities()).snapshot());
    const stored = await readSnapshot(folder, files);
    expect(stored.kind === 'read' && (await tablesOf(...entities()).changesSince(stored.tables))).toMatchObject({
      up: [],
      changesTexts: false,
    });
  });

  it('make a new table, and drop it again', async () => {
    const { up, down, warnings } = await changes([animals({})], [animals({}), keepers()]);
    expect(up.join('\n')).toMatch(/create table "keepers" \("badge" text not null, "since" timestamptz\(3\) not null/);
    expect(up.join('\n')).toContain('check (pay > 0)');
    expect(down).toEqual(['drop table if exists "keepers" cascade']);
    expect(warnings).toEqual([]);
  });

  it('drop a table, make it again as it was, and say that its rows are lost', async () => {
    const { up, down, warnings } = await changes([animals({}), keepers()], [animals({})]);
    expect(up).toEqual(['drop table if exists "keepers" cascade']);
    expect(down?.join('\n')).toMatch(
      /create table "keepers" \("badge" text not null, "since" timestamptz\(3\) .* "pay" /,
    );
    expect(down?.join('\n')).toContain('check (pay > 0)');
    expect(warnings).toEqual(['The rows of keepers are lost: down() makes it empty.']);
  });

  it('take a column that goes while one of its type comes for the same one, and ask', async () => {
    const { up, down, warnings } = await changes([animals({ name: p.text() })], [animals({ title: p.text() })]);
    expect(up).toEqual(['alter table "animals" rename column "name" to "title"']);
    expect(down).toEqual(['alter table "animals" rename column "title" to "name"']);
    expect(warnings).toEqual(['animals.name is taken to be called title now. Is it another column?']);
  });

  it.each([
    [{}, { name: p.text() }, 'It fails where the table has rows: animals.name is NOT NULL without a default.'],
    [{ name: p.text() }, {}, 'What is in animals.name is lost.'],
    [{ name: p.text() }, {}, 'down() fails where the table has rows: animals.name is NOT NULL without a default.'],
    [
      { name: p.text() },
      { weight: p.integer().default(0) },
      'What is in animals.name is lost. Or has it another name now: weight?',
    ],
    [{ age: p.text() }, { age: p.integer() }, 'It fails where a value of animals.age is no int.'],
    [{ age: p.text().nullable() }, { age: p.text() }, 'It fails where animals.age is NULL.'],
  ])('say what a person must look at: %#', async (before, after, remark) => {
    expect((await changes([animals(before)], [animals(after)])).warnings).toContain(remark);
  });

  it('make the views anew that use what is changed, and no others', async () => {
    const view = (name: string, expression: string) =>
      defineEntity({
        name,
        tableName: name,
        schema: '*',
        view: true,
        expression,
        properties: { id: p.integer().primary() },
      }) as unknown as EntitySchema;
    const all = (columns: Properties, first = 'select id, age from animals') => [
      animals({ ...columns, name: p.text() }),
      view('first', first),
      view('a_second', 'select id from first'),
      view('other', 'select id, name from animals'),
    ];
    const again = [
      'drop view if exists "a_second"',
      'drop view if exists "first"',
      expect.stringContaining('create view "first"'),
      'create view "a_second" as select id from first',
    ];
    const { up, down } = await changes(all({ age: p.integer() }), all({ age: p.integer() }, 'select id from animals'));
    expect([up, down]).toEqual([again, again]);
    const retyped = await changes(all({ age: p.integer() }), all({ age: p.bigint() }));
    expect(retyped.up).toEqual(again.toSpliced(2, 0, expect.stringContaining('type bigint')));
    const state = (...items: string[]) => ({ age: p.enum(items).nativeEnumName('animal_age') });
    const remade = await changes(all(state('A', 'B')), all(state('B', 'A')));
    expect(remade.up.slice(0, 3)).toEqual([...again.slice(0, 2), expect.stringContaining('rename to')]);
    expect(remade.up.slice(-3)).toEqual([...again.slice(2), expect.stringContaining('drop type')]);
  });

  it('propose no name that PostgreSQL would cut', async () => {
    const keeper = keepers();
    const key = () => p.manyToOne(keeper).ref().nullable().index(false);
    const { warnings } = await changes([animals({}), keeper], [animals({ ['keeper'.repeat(8)]: key }), keeper]);
    expect(warnings).toEqual([expect.stringMatching(/ Declare one, as with \.index\(\) on the relation\.$/)]);
  });

  it('make enum types anew whose names begin alike', async () => {
    const states = (...items: string[]) => ({
      arrival: p.enum(items).nativeEnumName('animal_arrival_state'),
      departure: p.enum(items).nativeEnumName('animal_arrival_place'),
    });
    const { up } = await changes([animals(states('A', 'B'))], [animals(states('B'))]);
    const renamed = up.flatMap((sql) => / rename to (".*")$/.exec(sql)?.[1] ?? []);
    expect(new Set(renamed).size).toBe(2);
    expect(up.filter((sql) => sql.startsWith('drop type ')).toSorted()).toEqual(
      renamed.map((name) => `drop type ${name}`).toSorted(),
    );
  });

  it('say nothing about what cannot go wrong', async () => {
    const { warnings } = await changes(
      [animals({})],
      [animals({ name: p.text().nullable(), legs: p.integer().default(4) })],
    );
    expect(warnings).toEqual([]);
  });
});
