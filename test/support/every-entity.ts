import { defineEntity, p, raw } from '@mikro-orm/core';
import type { EntitySchema } from '@mikro-orm/postgresql';
import { FullTextType } from '@mikro-orm/postgresql';

type Definition = Parameters<typeof defineEntity>[0];

/** An entity of a tenant. */
export function entity(definition: Definition | Record<string, unknown>): EntitySchema {
  // The types that defineEntity() finds for the properties are of no use here.
  return defineEntity({ schema: '*', ...definition } as Definition) as unknown as EntitySchema;
}

const id = () => p.integer().primary();

const State = { New: 'NEW', Paid: 'PAID' } as const;
const Level = { Low: 1, High: 2 } as const;

const address = defineEntity({
  name: 'Address',
  embeddable: true,
  properties: { street: p.text(), city: p.string().length(40).nullable() },
});

const one = () => entity({ name: 'One', tableName: 'ones', properties: { id: id(), code: p.text().unique() } });

/** Everything that MikroORM can have a table of, as groups of entities. */
export const everyEntity: Readonly<Record<string, () => readonly EntitySchema[]>> = {
  'columns of every type, but mediumint, which only MySQL has': () => [
    entity({
      name: 'Typed',
      tableName: 'typed',
      properties: {
        id: id(),
        int: p.integer(),
        small: p.smallint(),
        tiny: p.tinyint(),
        big: p.bigint(),
        bigString: p.bigint('string'),
        float: p.float(),
        double: p.double(),
        decimal: p.decimal(),
        decimalWithScale: p.decimal().precision(14).scale(4),
        boolean: p.boolean(),
        string: p.string(),
        stringWithLength: p.string().length(40),
        text: p.text(),
        character: p.character(),
        characters: p.character().length(3),
        uuid: p.uuid(),
        date: p.date(),
        time: p.time(),
        timeWithPrecision: p.time(3),
        datetime: p.datetime(),
        datetimeWithPrecision: p.datetime(3),
        timestamp: p.datetime().columnType('timestamp(6)'),
        interval: p.interval(),
        blob: p.blob(),
        bytes: p.uint8array(),
        json: p.json(),
        array: p.array(),
        numbers: p.array((item) => Number(item)).columnType('int[]'),
        fullText: p.type(FullTextType).columnType('tsvector'),
        range: p.string().columnType('int4range'),
        inet: p.string().columnType('inet'),
        bits: p.string().columnType('bit varying(8)'),
        timeZoned: p.string().columnType('timetz'),
        point: p.string().columnType('point'),
        collated: p.string().collation('C'),
        commented: p.text().comment("What it's for"),
        nullable: p.text().nullable(),
        'Mixed Case': p.text().fieldNames('Mixed Case'),
      },
    }),
  ],
  'primary keys of every kind': () => [
    entity({ name: 'Serial', tableName: 'serials', properties: { id: p.integer().primary().autoincrement() } }),
    entity({ name: 'BigSerial', tableName: 'big_serials', properties: { id: p.bigint().primary().autoincrement() } }),
    entity({
      name: 'Identity',
      tableName: 'identities',
      properties: { id: p.integer().primary().generated('identity') },
    }),
    entity({
      name: 'Uuid',
      tableName: 'uuids',
      properties: { id: p.uuid().primary().defaultRaw('gen_random_uuid()') },
    }),
    entity({ name: 'Pair', tableName: 'pairs', properties: { a: p.integer().primary(), b: p.text().primary() } }),
  ],
  'defaults of every type': () => [
    entity({
      name: 'Defaulted',
      tableName: 'defaulted',
      properties: {
        id: id(),
        int: p.integer().default(4),
        negative: p.integer().default(-1),
        decimal: p.decimal().precision(10).scale(2).default(0.5),
        numeric: p.decimal().defaultRaw('1.50'),
        double: p.double().default(1e-3),
        text: p.text().default('It\'s Ä \\ "x"'),
        empty: p.text().default(''),
        upper: p.text().default('NULL'),
        varchar: p.string().length(8).default('Draft'),
        boolean: p.boolean().default(true),
        off: p.boolean().default(false),
        json: p.json<object>().defaultRaw(`'{"a": [1, "B"]}'`),
        jsonArray: p.json<unknown[]>().defaultRaw("'[]'::jsonb"),
        array: p.array().default([]),
        arrayOfTexts: p.array().default(['a', "it's"]),
        arrayRaw: p.array().defaultRaw(`'{a,"b c"}'`),
        arrayOf: p.array().columnType('text[]').defaultRaw("ARRAY['x', 'y']"),
        now: p.datetime(3).defaultRaw('now()'),
        current: p.datetime().defaultRaw('current_timestamp'),
        date: p.date().defaultRaw('current_date'),
        later: p.datetime(3).defaultRaw("now() + interval '1 day'"),
        interval: p.interval().defaultRaw("'1 hour'"),
        bytes: p.blob().defaultRaw("'\\x00ff'"),
        uuid: p.uuid().defaultRaw('gen_random_uuid()'),
        nothing: p.text().nullable().defaultRaw('null'),
        expression: p.integer().defaultRaw('(1 + 2) * 3'),
        setting: p.text().nullable().defaultRaw("current_setting('app.tenant', true)"),
      },
    }),
  ],
  'generated columns': () => [
    entity({
      name: 'Generated',
      tableName: 'generated',
      indexes: [{ name: 'generated_total_idx', properties: ['total'] }],
      properties: {
        id: id(),
        a: p.integer(),
        b: p.decimal().precision(10).scale(2),
        name: p.text(),
        total: p.decimal().generated('(a * b) stored'),
        lower: p.text().generated('(lower(name)) stored'),
        words: p.string().columnType('tsvector').generated("(to_tsvector('english', name)) stored").nullable(),
      },
    }),
  ],
  checks: () => [
    entity({
      name: 'Checked',
      tableName: 'checked',
      checks: [
        { name: 'checked_sum', expression: '(a + b) * c > 0' },
        { name: 'checked_case', expression: "CASE WHEN a > 0 THEN code <> 'x.y' ELSE true END" },
        { name: 'checked_raw', expression: raw('a <> ?', [7]) },
      ],
      properties: {
        id: id(),
        a: p.integer().check('a BETWEEN 0 AND 5'),
        b: p.integer().check('b IN (1, 2, 3)'),
        c: p.integer(),
        code: p.text().check("code ~ '^[A-Z]{3}$'"),
        price: p.decimal().precision(10).scale(2).check('price >= 0.5'),
        kind: p.text().check("kind != 'none' OR kind IS NULL").nullable(),
      },
    }),
  ],
  'indexes of every kind': () => [
    entity({
      name: 'Indexed',
      tableName: 'indexed',
      indexes: [
        { name: 'indexed_both', properties: ['a', 'name'] },
        { name: 'indexed_hash', properties: ['a'], type: 'hash' },
        { name: 'indexed_gin', properties: ['tags'], type: 'gin' },
        { name: 'indexed_where', properties: ['a'], where: "a > 3 AND name <> 'Old'" },
        { name: 'indexed_filter', properties: ['a'], where: { name: null } },
        {
          name: 'indexed_sorted',
          properties: ['a', 'name'],
          columns: [
            { name: 'a', sort: 'desc', nulls: 'last' },
            { name: 'name', collation: 'C' },
          ],
        },
        { name: 'indexed_include', properties: ['a'], include: ['name'] },
        { name: 'indexed_fill', properties: ['a'], fillFactor: 70 },
        { name: 'indexed_json', properties: ['data.name'] },
        {
          name: 'indexed_lower',
          expression: (columns: Record<string, string>, table: object, name: string) =>
            `create index "${name}" on ${table} (lower(${columns.name}), a) where a > 1`,
        },
        { name: 'indexed_opclass', expression: 'create index indexed_opclass on indexed (name text_pattern_ops)' },
        { name: 'Indexed Mixed', properties: ['name'] },
      ],
      uniques: [
        { name: 'indexed_unique', properties: ['name', 'b'] },
        { name: 'indexed_unique_where', properties: ['b'], where: 'a IS NULL' },
        { name: 'indexed_deferred', properties: ['a', 'b'], deferMode: 'deferred' },
        {
          name: 'indexed_unique_lower',
          expression: 'create unique index indexed_unique_lower on indexed (lower(name))',
        },
      ],
      properties: {
        id: id(),
        a: p.integer().nullable(),
        b: p.integer().unique(),
        c: p.integer().index(),
        name: p.text(),
        tags: p.array(),
        data: p.json<{ name: string }>(),
      },
    }),
  ],
  'exclusion constraints and indexes on expressions': () => [
    entity({
      name: 'Room',
      tableName: 'rooms',
      checks: [
        { name: 'rooms_during_excl', expression: 'EXCLUDE USING gist (during WITH &&) WHERE (cancelled = false)' },
      ],
      uniques: [{ name: 'rooms_name_key', expression: 'create unique index rooms_name_key on rooms (lower(name))' }],
      properties: { id: id(), name: p.text(), during: p.string().columnType('tstzrange'), cancelled: p.boolean() },
    }),
  ],
  'relations of every kind': () => {
    const target = one();
    const many = entity({
      name: 'Many',
      tableName: 'manies',
      properties: {
        id: id(),
        required: () => p.manyToOne(target).ref().index('manies_required_id_idx'),
        optional: () => p.manyToOne(target).ref().nullable().index(),
        cascading: () => p.manyToOne(target).ref().deleteRule('cascade').updateRule('no action').index(),
        nulling: () => p.manyToOne(target).ref().nullable().deleteRule('set null').index(),
        deferred: () => p.manyToOne(target).ref().deferMode('deferred').index(),
        named: () => p.manyToOne(target).ref().foreignKeyName('manies_named').index(),
        free: () => p.manyToOne(target).ref().createForeignKeyConstraint(false),
        single: () => p.oneToOne(target).ref(),
        parent: () => p.manyToOne(many).ref().nullable().index(),
        tags: () => p.manyToMany(target),
        ordered: () => p.manyToMany(target).fixedOrder().pivotTable('manies_ordered'),
      },
    });
    const part = entity({
      name: 'Part',
      tableName: 'parts',
      properties: {
        many: () => p.manyToOne(many).primary().ref(),
        position: p.integer().primary(),
      },
    });
    const piece = entity({
      name: 'Piece',
      tableName: 'pieces',
      properties: { id: id(), part: () => p.manyToOne(part).ref() },
    });
    return [target, many, part, piece];
  },
  'single table inheritance': () => {
    const animal = entity({
      name: 'Animal',
      tableName: 'animals',
      discriminatorColumn: 'kind',
      discriminatorValue: 'animal',
      properties: { id: id(), kind: p.string(), name: p.text() },
    });
    return [
      animal,
      entity({ name: 'Dog', extends: animal, discriminatorValue: 'dog', properties: { breed: p.text().nullable() } }),
    ];
  },
  'a table for each type': () => {
    const animal = entity({
      name: 'Animal',
      tableName: 'animals',
      inheritance: 'tpt',
      properties: { id: id(), name: p.text().check("name <> ''") },
    });
    return [animal, entity({ name: 'Dog', tableName: 'dogs', extends: animal, properties: { breed: p.text() } })];
  },
  embeddables: () => [
    entity({
      name: 'Person',
      tableName: 'people',
      properties: {
        id: id(),
        home: () => p.embedded(address),
        work: () => p.embedded(address).prefix('w_').nullable(),
        stored: () => p.embedded(address).object(),
        several: () => p.embedded(address).array(),
      },
    }),
  ],
  'enums of every kind': () => [
    entity({
      name: 'Order',
      tableName: 'orders',
      properties: {
        id: id(),
        text: p.enum(() => State),
        number: p.enum(() => Level),
        items: p.enum(['a', "b's"]).default('a'),
        nullable: p.enum(() => State).nullable(),
        list: p.enum(() => State).array(),
        state: p.enum(() => State).nativeEnumName('order_state'),
        withDefault: p
          .enum(() => State)
          .nativeEnumName('order_state')
          .default('NEW'),
        states: p
          .enum(() => State)
          .nativeEnumName('order_state')
          .array(),
      },
    }),
  ],
  'views, also materialized': () => [
    entity({
      name: 'Item',
      tableName: 'items',
      properties: { id: id(), name: p.text(), price: p.decimal().precision(10).scale(2) },
    }),
    entity({
      name: 'CheapItem',
      tableName: 'cheap_items',
      view: true,
      expression: "SELECT id, name FROM items WHERE price < 10.5 AND name <> 'It''s'",
      properties: { id: id(), name: p.text() },
    }),
    entity({
      name: 'EveryItem',
      tableName: 'every_item',
      view: true,
      expression: 'SELECT * FROM cheap_items',
      properties: { id: id(), name: p.text() },
    }),
    entity({
      name: 'Price',
      tableName: 'prices',
      view: { materialized: true },
      expression: 'SELECT price, count(*)::int AS id FROM items GROUP BY price',
      indexes: [{ name: 'prices_price_idx', properties: ['price'] }],
      properties: { id: id(), price: p.decimal() },
    }),
  ],
  'triggers, policies and comments': () => [
    entity({
      name: 'Guarded',
      tableName: 'guarded',
      comment: 'Rows of some',
      triggers: [
        { name: 'guarded_touch', timing: 'before', events: ['insert', 'update'], body: 'NEW.n := 1; RETURN NEW' },
      ],
      policies: [
        { name: 'guarded_read', command: 'select', using: "owner = current_setting('app.owner', true)" },
        { name: 'guarded_write', command: 'insert', check: 'n > 0' },
      ],
      properties: { id: id(), n: p.integer(), owner: p.text() },
    }),
  ],
  'partitioned tables': () => [
    entity({
      name: 'Log',
      tableName: 'logs',
      partitionBy: { type: 'hash', expression: 'id', partitions: 2 },
      properties: { id: id(), text: p.text() },
    }),
  ],
};
