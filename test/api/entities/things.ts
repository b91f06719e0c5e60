import { defineEntity, p } from '@mikro-orm/core';
import type { Product } from '../../../src/installation/product.ts';
import { builder, entityType, listField, oneField } from '../../../src/platform.ts';

const column = (type: string) => p.string().columnType(type).nullable();

/** A table with a column of every type, each of which can be NULL. */
export const ThingSchema = defineEntity({
  name: 'Thing',
  tableName: 'things',
  schema: '*',
  properties: {
    id: p.uuid().primary().defaultRaw('gen_random_uuid()'),
    text: p.text().nullable(),
    varchar: column('varchar(20)'),
    char: column('char(5)'),
    bool: p.boolean().nullable(),
    small: p.smallint().nullable(),
    int: p.integer().nullable(),
    big: p.bigint().nullable(),
    numeric: p.decimal().precision(12).scale(4).nullable(),
    real: p.float().nullable(),
    double: p.double().nullable(),
    date: p.date().nullable(),
    micros: p.datetime(6).nullable(),
    millis: p.datetime(3).nullable(),
    local: column('timestamp(6)'),
    time: p.time(6).nullable(),
    interval: p.interval().nullable(),
    uuid: p.uuid().nullable(),
    inet: column('inet'),
    bytes: p.blob().nullable(),
    json: p.json().nullable(),
    status: p.enum(['open', 'in work', 'done']).nullable(),
    mood: p.enum(['sad', 'happy']).columnType('mood').nullable(),
    texts: p.array().nullable(),
    ints: column('int[]'),
    decimals: column('numeric[]'),
    instants: column('timestamptz(6)[]'),
    span: column('tstzrange'),
    numbers: column('int4range'),
    owner: () => p.manyToOne(ThingSchema).ref().nullable(),
    things: () => p.oneToMany(ThingSchema).mappedBy('owner'),
  },
});

/** A row with a value of every type. */
export class Thing extends ThingSchema.class {}

ThingSchema.setClass(Thing);

/** The statement that creates the table. */
export const thingsTable = [
  `CREATE TYPE mood AS ENUM ('sad', 'happy')`,
  `CREATE TABLE things (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), text text, varchar varchar(20), char char(5),
    bool boolean, small smallint, int int, big bigint, numeric numeric(12, 4), real real, double double precision,
    date date, micros timestamptz(6), millis timestamptz(3), local timestamp(6), time time(6), interval interval, uuid uuid,
    inet inet, bytes bytea, json jsonb, status text CHECK (status IN ('open', 'in work', 'done')), mood mood,
    texts text[], ints int[], decimals numeric[], instants timestamptz(6)[], span tstzrange, numbers int4range,
    owner_id uuid CONSTRAINT things_owner_id_fkey REFERENCES things (id))`,
];

const fields = Object.keys(ThingSchema.meta.properties).filter((name) => name !== 'things' && name !== 'owner');
const unordered = ['json', 'bytes'];

/** Adds the type to the builder, with everything in the filter and in the order. */
function addToSchema(): true {
  const chosen = fields.map((name) => [name, { filter: true, order: !unordered.includes(name) }]);
  const ThingType = entityType(Thing, {
    fields: { ...Object.fromEntries(chosen), owner: { filter: true }, things: { orderBy: { int: 'DESC' } } },
  });
  const members = { authScopes: { tenantMember: true } } as const;
  builder.queryFields((t) => ({
    thing: oneField(t, ThingType, members),
    things: listField(t, ThingType, members),
  }));
  return true;
}

let added: true | undefined;

/** A product with this one table. */
export const things: Product = {
  modules: [{ entities: [ThingSchema], schema: async () => (added ??= addToSchema()) }],
  permissions: {},
};
