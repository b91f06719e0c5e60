import { p } from '@mikro-orm/core';
import { type EntityGroups, entity, id } from './entity.ts';

/** Tables with indexes of every kind, and what else belongs to a table; views. */
export const tables: EntityGroups = {
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
