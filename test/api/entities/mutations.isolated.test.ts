import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EntityLab, startEntityLab } from './entity-lab.ts';
import { hotel, roomTables } from './rooms.ts';

describe('objects of an entity', () => {
  let lab: EntityLab;
  let admin: Record<string, string>;
  beforeAll(async () => {
    lab = await startEntityLab(hotel, roomTables, 'SCHEMA', { TENANT_POOL_SIZE: '1' });
    const token = await lab.app.services.tokens.issue({ tenant: lab.tenant.slug, role: 'ADMIN', expiresIn: '1h' });
    admin = { authorization: `Bearer ${token}` };
    await lab.sql(`INSERT INTO tags VALUES ('quiet'), ('sea view')`);
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  const create = (input: string, fields = 'id') =>
    lab.ask<{ createRoom: Record<string, unknown> }>(`mutation { createRoom(input: { ${input} }) { ${fields} } }`);

  it('are created, read, changed and deleted', async () => {
    const { createRoom } = await create(
      'name: " Blue ", size: 2, rate: "99.5"',
      'id name size rate code version label',
    );
    const { id } = createRoom;
    expect(createRoom).toEqual({
      id: expect.stringMatching(/^\d+$/),
      name: 'Blue',
      size: 2,
      rate: '99.50',
      code: null,
      version: 1,
      label: 'Blue (2)',
    });
    await lab.sql(`INSERT INTO room_tags VALUES ($1, 'sea view'), ($1, 'quiet')`, [id]);
    const update =
      'mutation ($id: BigInt!, $input: UpdateRoomInput!, $version: Int) { updateRoom(id: $id, input: $input, version: $version) { name size version tags { name rooms { nodes { name } } } } }';
    const rooms = { nodes: [{ name: 'Blue' }] };
    expect(await lab.ask(update, { id, input: { size: null }, version: 1 })).toEqual({
      updateRoom: {
        name: 'Blue',
        size: null,
        version: 2,
        tags: [
          { name: 'quiet', rooms },
          { name: 'sea view', rooms },
        ],
      },
    });
    expect(await lab.refused(update, { id, input: { size: 3 }, version: 1 })).toMatchObject({
      message: 'The Room has been changed since version 1. Read it again.',
      extensions: { code: 'CONFLICT', field: 'version' },
    });
    expect(await lab.refused(update, { id: '999', input: { size: 3 } })).toMatchObject({
      extensions: { code: 'NOT_FOUND', field: 'id' },
    });
    await lab.sql('DELETE FROM room_tags');
    expect(await lab.ask('mutation ($id: BigInt!) { deleteRoom(id: $id) }', { id })).toEqual({ deleteRoom: true });
    expect(await lab.ask('mutation ($id: BigInt!) { deleteRoom(id: $id) }', { id })).toEqual({ deleteRoom: false });
    expect(await lab.ask('query ($id: BigInt!) { room(id: $id) { name } }', { id })).toEqual({ room: null });
  });

  it('are found by a unique column', async () => {
    await create('name: "Red"');
    const query = 'query ($name: String!) { roomByName(name: $name) { name } }';
    expect(await lab.ask(query, { name: 'Red' })).toEqual({ roomByName: { name: 'Red' } });
    expect(await lab.ask(query, { name: 'red' })).toEqual({ roomByName: null });
  });

  it('a selection sees what the operation has written before it', async () => {
    const data = await lab.ask(`mutation { a: createRoom(input: { name: "First" }) { bookings { totalCount } }
      runSql(sql: "INSERT INTO bookings SELECT gen_random_uuid(), id, '[2020-01-01,2020-01-02)', 'Ada' FROM rooms WHERE name = 'First'")
      b: createRoom(input: { name: "Second" }) { name } }`);
    expect(data).toEqual({ a: { bookings: { totalCount: 0 } }, runSql: true, b: { name: 'Second' } });
    const { roomByName } = await lab.ask<{ roomByName: object }>(
      '{ roomByName(name: "First") { bookings { nodes { guest span room { name } } } } }',
    );
    expect(roomByName).toMatchObject({ bookings: { nodes: [{ guest: 'Ada', room: { name: 'First' } }] } });
  });

  it('are hidden by the default filters of their entity, wherever they are read', async () => {
    const { createRoom } = await create('name: "Green"');
    await lab.sql(
      `INSERT INTO bookings (id, room_id, span, guest, cancelled_at) VALUES (gen_random_uuid(), $1, '[2010-01-01,2010-01-02)', 'Bob', now())`,
      [createRoom.id],
    );
    const bookings = '(filter: { guest: { eq: "Bob" } }) { totalCount nodes { guest } }';
    expect(await lab.ask(`{ bookings${bookings} roomByName(name: "Green") { bookings${bookings} } }`)).toEqual({
      bookings: { totalCount: 0, nodes: [] },
      roomByName: { bookings: { totalCount: 0, nodes: [] } },
    });
  });

  it('are read with statements that stay prepared, but only so many', async () => {
    const prepared = async () =>
      (await lab.ask<{ preparedStatements: number }>('{ preparedStatements }')).preparedStatements;
    const before = await prepared();
    for (let round = 0; round < 3; round += 1) await lab.ask('{ rooms(first: 7) { nodes { name code } } }');
    expect(await prepared()).toBe(before + 1);
    for (let size = 1; size <= 100; size += 1) {
      for (let round = 0; round < 2; round += 1) await lab.ask(`{ rooms(first: ${size}) { nodes { rate } } }`);
    }
    expect(await prepared()).toBe(50);
  });

  it.each([
    ['name: ""', 'BAD_USER_INPUT', 'name', 'A room needs a name'],
    ['name: "x", size: 0', 'BAD_USER_INPUT', 'size', 'size has a value that is not allowed'],
    ['name: "x", size: 40000', 'BAD_USER_INPUT', 'size', 'size must be from -32768 to 32767'],
    ['name: "x", rate: "12345"', 'BAD_USER_INPUT', 'rate', 'rate must have at most 4 digits before the point'],
    ['name: "x", rate: "1.005"', 'BAD_USER_INPUT', 'rate', 'rate must have at most 2 digits after the point'],
    ['name: "x", code: "abcdef"', 'BAD_USER_INPUT', 'code', 'code must have at most 5 characters'],
    ['name: "taken"', 'CONFLICT', 'name', 'name must be unique, and another object has the same value'],
  ])('are refused with the field: %s', async (input, code, field, message) => {
    if (input.includes('taken')) await create(input);
    expect(await lab.refused(`mutation { createRoom(input: { ${input} }) { id } }`)).toMatchObject({
      message,
      extensions: { code, field },
    });
  });

  it.each([
    [`UPDATE bookings SET guest = NULL WHERE guest = 'Eve'`, 'BAD_USER_INPUT', 'guest', 'guest is missing'],
    [
      `INSERT INTO bookings SELECT gen_random_uuid(), room_id, span, 'x' FROM bookings WHERE guest = 'Eve'`,
      'CONFLICT',
      'span',
      'The room is taken at that time',
    ],
    [`UPDATE bookings SET room_id = -1`, 'BAD_USER_INPUT', 'room', 'room refers to something that does not exist'],
    [`DELETE FROM rooms WHERE name = 'Eve'`, 'CONFLICT', 'room', 'Other objects still refer to this one'],
    [`UPDATE rooms SET size = 0`, 'BAD_USER_INPUT', 'size', 'size has a value that is not allowed'],
    [
      `UPDATE rooms SET size = 100000`,
      'BAD_USER_INPUT',
      undefined,
      'A number is too large or too small. Check the arguments.',
    ],
    [
      `UPDATE bookings SET id = 'x'`,
      'BAD_USER_INPUT',
      undefined,
      'A value such as an id, a number or a time is malformed. Check the arguments.',
    ],
  ])('constraints explain themselves to code that writes by itself: %s', async (sql, code, field, message) => {
    const { length } = await lab.sql(`SELECT FROM rooms WHERE name = 'Eve'`);
    if (length === 0) {
      const { createRoom } = await create('name: "Eve"');
      const input = `{ room: "${createRoom.id}", span: "[2030-01-01,2030-01-02)", guest: "Eve" }`;
      await lab.ask(`mutation { createBooking(input: ${input}) { room { name } } }`);
    }
    const error = await lab.refused('mutation ($sql: String!) { runSql(sql: $sql) }', { sql });
    expect(error).toMatchObject({ message, extensions: { code } });
    expect(error.extensions.field).toBe(field);
  });

  it.each([
    'filter: { note: { startsWith: "s" } }',
    'filter: { not: { or: [{ guest: { eq: "x" } }, { note: { isNull: true } }] } }',
    'orderBy: [{ guest: ASC }, { note: DESC }]',
  ])('a column that one may not read cannot be probed: %s', async (args) => {
    const query = `{ bookings(${args}) { totalCount } }`;
    expect(await lab.refused(query)).toMatchObject({ extensions: { code: 'FORBIDDEN', permission: 'bookings:notes' } });
    expect(await lab.refused(`{ rooms { nodes { bookings(${args}) { totalCount } } } }`)).toMatchObject({
      extensions: { code: 'FORBIDDEN', permission: 'bookings:notes' },
    });
    expect(await lab.ask(query, {}, admin)).toMatchObject({ bookings: { totalCount: expect.any(Number) } });
    expect(await lab.refused('{ bookings { nodes { note } } }')).toMatchObject({ extensions: { code: 'FORBIDDEN' } });
  });

  it.each([
    ['filter: { guest: { eq: null } }', 'eq'],
    ['filter: { guest: null }', 'guest'],
    ['filter: { not: null }', 'not'],
    [`filter: ${'{ not: '.repeat(9)}{ guest: { eq: "x" } }${' }'.repeat(9)}`, 'filter'],
    [`filter: { or: [${'{ guest: { eq: "x" } } '.repeat(51)}] }`, 'filter'],
    [`filter: { guest: { in: [${'"x" '.repeat(101)}] } }`, 'in'],
    [`orderBy: [${'{ guest: ASC } '.repeat(6)}]`, 'orderBy'],
    ['first: 101', 'first'],
    ['first: 0', 'first'],
    ['first: 1, last: 1', 'last'],
    ['after: "x"', 'after'],
    [`after: "${Buffer.from('["guest ASC","a","b"]').toString('base64url')}"`, 'after'],
    [`before: "${Buffer.from('["","not a uuid"]').toString('base64url')}"`, 'before'],
  ])('arguments of lists have limits: %.60s', async (args, field) => {
    expect(await lab.refused(`{ bookings(${args}) { nodes { id } } }`)).toMatchObject({
      extensions: { code: 'BAD_USER_INPUT', field },
    });
  });
});
