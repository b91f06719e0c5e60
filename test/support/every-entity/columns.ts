import { defineEntity, p, raw } from '@mikro-orm/core';
import { FullTextType } from '@mikro-orm/postgresql';
import { type EntityGroups, entity, id } from './entity.ts';

const State = { New: 'NEW', Paid: 'PAID' } as const;
const Level = { Low: 1, High: 2 } as const;

const address = defineEntity({
  name: 'Address',
  embeddable: true,
  properties: { street: p.text(), city: p.string().length(40).nullable() },
});

/** Tables whose columns have every type, default, check and the like. */
export const columns: EntityGroups = {
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
};
