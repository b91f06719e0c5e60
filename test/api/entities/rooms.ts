import { defineEntity, p } from '@mikro-orm/core';
import { z } from 'zod';
import type { Product } from '../../../src/installation/product.ts';
import {
  builder,
  createField,
  deleteField,
  entityType,
  explainConstraint,
  listField,
  needs,
  oneField,
  updateField,
} from '../../../src/platform.ts';

/** Rooms, with a version and columns of limited size. */
export const RoomSchema = defineEntity({
  name: 'Room',
  tableName: 'rooms',
  schema: '*',
  properties: {
    id: p.bigint('string').primary().autoincrement(),
    name: p.text().unique(),
    size: p.smallint().nullable().check('size > 0'),
    rate: p.decimal().precision(6).scale(2).nullable(),
    code: p.string().length(5).nullable(),
    version: p.integer().version(),
    bookings: () => p.oneToMany(BookingSchema).mappedBy('room'),
    tags: () => p.manyToMany(TagSchema).owner().pivotTable('room_tags'),
  },
});

/** A room. */
export class Room extends RoomSchema.class {}

RoomSchema.setClass(Room);

/** Bookings, which must not overlap. */
export const BookingSchema = defineEntity({
  name: 'Booking',
  tableName: 'bookings',
  schema: '*',
  filters: { active: { name: 'active', cond: { cancelledAt: null }, default: true } },
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => crypto.randomUUID()),
    room: () => p.manyToOne(RoomSchema).ref().nullable(),
    span: p.string().columnType('tstzrange'),
    guest: p.text(),
    /** A cancelled booking is hidden. */
    cancelledAt: p.datetime(3).nullable(),
    /** Only some may read it. */
    note: p.text().nullable(),
  },
});

/** A booking. */
export class Booking extends BookingSchema.class {}

BookingSchema.setClass(Booking);

/** Tags of rooms. */
export const TagSchema = defineEntity({
  name: 'Tag',
  tableName: 'tags',
  schema: '*',
  properties: { name: p.text().primary(), rooms: () => p.manyToMany(RoomSchema).mappedBy('tags') },
});

/** A tag. */
export class Tag extends TagSchema.class {}

TagSchema.setClass(Tag);

/** The statements that create the tables. */
export const roomTables = [
  `CREATE TABLE rooms (id bigserial PRIMARY KEY, name text NOT NULL CONSTRAINT rooms_name_key UNIQUE,
    size smallint CONSTRAINT rooms_size_check CHECK (size > 0), rate numeric(6, 2), code varchar(5), version int NOT NULL DEFAULT 1)`,
  `CREATE TABLE bookings (id uuid PRIMARY KEY, room_id bigint CONSTRAINT bookings_room_id_fkey REFERENCES rooms (id),
    span tstzrange NOT NULL,
    guest text NOT NULL, cancelled_at timestamptz(3), note text, CONSTRAINT bookings_span_excl EXCLUDE USING gist (span WITH &&))`,
  `CREATE TABLE tags (name text PRIMARY KEY)`,
  `CREATE TABLE room_tags (room_id bigint REFERENCES rooms (id), tag_name text REFERENCES tags (name), PRIMARY KEY (room_id, tag_name))`,
];

function addToSchema(): true {
  const RoomType = entityType(Room, {
    fields: {
      id: { filter: true, order: true },
      name: { filter: true, order: true },
      size: { filter: true },
      rate: {},
      code: {},
      version: {},
      bookings: { orderBy: { span: 'ASC' } },
      tags: { maxItems: 10 },
    },
  });
  const BookingType = entityType(Booking, {
    fields: {
      id: {},
      room: { filter: true },
      span: {},
      guest: { filter: true, order: true },
      note: { permission: 'bookings:notes', filter: true, order: true },
    },
  });
  entityType(Tag, { fields: { name: { filter: true }, rooms: {} } });
  builder.objectField(RoomType.ref, 'label', (t) =>
    t.string({ extensions: needs(RoomType, 'name', 'size'), resolve: ({ name, size }) => `${name} (${size ?? '?'})` }),
  );
  const members = { authScopes: { tenantMember: true } } as const;
  const roomInput = {
    name: { schema: z.string().trim().min(1, 'A room needs a name') },
    size: {},
    rate: {},
    code: {},
  };
  const bookingInput = { room: {}, span: {}, guest: {} };
  builder.queryFields((t) => ({
    room: oneField(t, RoomType, members),
    roomByName: oneField(t, RoomType, { ...members, by: ['name'] }),
    rooms: listField(t, RoomType, members),
    bookings: listField(t, BookingType, members),
    preparedStatements: t.int({
      ...members,
      resolve: async (_root, _args, { tenant }) => {
        const [row] = await tenant.em.execute<{ count: number }[]>(
          'SELECT count(*)::int AS count FROM pg_prepared_statements',
        );
        return row?.count ?? 0;
      },
    }),
  }));
  builder.mutationFields((t) => ({
    createRoom: createField(t, RoomType, { ...members, input: roomInput }),
    updateRoom: updateField(t, RoomType, { ...members, input: roomInput }),
    deleteRoom: deleteField(t, RoomType, members),
    createBooking: createField(t, BookingType, { ...members, input: bookingInput }),
    /** What a module does without the functions of entities. */
    runSql: t.boolean({
      ...members,
      args: { sql: t.arg.string({ required: true }) },
      resolve: async (_root, { sql }, { tenant }) => {
        await tenant.em.execute(sql);
        return true;
      },
    }),
  }));
  explainConstraint('bookings_span_excl', 'The room is taken at that time', 'span');
  return true;
}

let added: true | undefined;

/** A product with these tables. */
export const hotel: Product = {
  modules: [{ entities: [RoomSchema, BookingSchema, TagSchema], schema: async () => (added ??= addToSchema()) }],
  permissions: { OWNER: ['bookings:notes'], ADMIN: ['bookings:notes'], MEMBER: [] },
};
