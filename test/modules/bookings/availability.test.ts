import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BookingsLab, later, nextDay, type Staff, startBookingsLab } from './bookings-lab.ts';

const monday = nextDay(1);
const at = (time: string, day = monday) => `${day}T${time}`;

describe('the times in which staff can be booked', () => {
  let lab: BookingsLab & AsyncDisposable;
  beforeAll(async () => {
    lab = await startBookingsLab('DATABASE');
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  const block = ({ id }: Staff, from: string, to: string) =>
    `createBlockedTime(input: { staff: "${id}", startsAt: "${from}:00Z", endsAt: "${to}:00Z" })`;

  it('do not change so that an appointment to come is outside of them', async () => {
    const staff = await lab.staff('UTC', {});
    const hours = await lab.weekly('WorkingHours', staff.id, 1, '09:00-17:00');
    const rest = await lab.weekly('Break', staff.id, 1, '12:00-12:30');
    const holiday = await lab.make(block(staff, at('15:00'), at('16:00')));
    const appointment = await lab.book(staff, at('10:00'));
    const changes = [
      `deleteWorkingHours(id: "${hours}")`,
      `updateWorkingHours(id: "${hours}", input: { startsAt: "10:01" }) { id }`,
      `updateWorkingHours(id: "${hours}", input: { weekday: 2 }) { id }`,
      `createBreak(input: { staff: "${staff.id}", weekday: 1, startsAt: "10:30", endsAt: "10:40" }) { id }`,
      `updateBreak(id: "${rest}", input: { startsAt: "10:59" }) { id }`,
      `${block(staff, at('10:59'), at('11:30'))} { id }`,
      `updateBlockedTime(id: "${holiday}", input: { startsAt: "${at('10:30')}:00Z" }) { id }`,
      `updateStaffMember(id: "${staff.id}", input: { timeZone: "Asia/Tokyo" }) { id }`,
    ];
    for (const change of changes) {
      expect(await lab.refused(`mutation { ${change} }`), change).toEqual({
        code: 'CONFLICT',
        field: undefined,
        appointment,
        message: `The appointment at ${at('10:00')}Z would be outside the times in which the staff member can be booked. Reschedule or cancel it first.`,
      });
    }
    const seen = `{ staffMember(id: "${staff.id}") { timeZone workingHours { nodes { weekday startsAt endsAt } } breaks { nodes { startsAt } } blockedTimes { nodes { startsAt } } } }`;
    expect(await lab.ask(seen)).toEqual({
      staffMember: {
        timeZone: 'UTC',
        workingHours: { nodes: [{ weekday: 1, startsAt: '09:00', endsAt: '17:00' }] },
        breaks: { nodes: [{ startsAt: '12:00' }] },
        blockedTimes: { nodes: [{ startsAt: `${at('15:00')}:00.000Z` }] },
      },
    });
    await lab.make(`cancelAppointment(id: "${appointment}")`);
    for (const change of changes.slice(1)) await lab.ask(`mutation { ${change} }`);
  });

  it('a time is either booked or blocked, however many try both at once', async () => {
    const staff = await lab.staff('UTC', { 1: ['09:00-17:00'] });
    for (let round = 0; round < 8; round += 1) {
      const day = later(monday, 7 * round);
      const texts = Array.from({ length: 10 }, (_, index) =>
        index % 2 === 0 ? lab.booking(staff, at('10:00', day)) : block(staff, at('10:30', day), at('11:30', day)),
      );
      const answers = await Promise.all(
        texts.map(async (text) =>
          lab.server.ask<object>(`mutation { ${text} { id } }`, await lab.headers('acme', 'ADMIN')),
        ),
      );
      const done = answers.flatMap(({ data }) => Object.keys(data ?? {}));
      const kinds = [...new Set(done)];
      expect(kinds).toHaveLength(1);
      if (kinds[0] === 'bookAppointment') expect(done).toHaveLength(1);
      else expect(done).toHaveLength(5);
      const codes = answers.flatMap(({ errors }) => errors?.map(({ extensions }) => extensions.code) ?? []);
      expect([...new Set(codes)]).toEqual(['CONFLICT']);
    }
  });

  it.each<[string, string, unknown, unknown]>([
    [
      'a zone that nobody has',
      'createStaffMember(input: { name: "x", timeZone: "Europe/Atlantis" }) { id }',
      'BAD_USER_INPUT',
      'timeZone',
    ],
    [
      'an offset, whose sign PostgreSQL reads in another way',
      'createStaffMember(input: { name: "x", timeZone: "+02:00" }) { id }',
      'BAD_USER_INPUT',
      'timeZone',
    ],
    [
      'a staff member without a name',
      'createStaffMember(input: { name: "", timeZone: "UTC" }) { id }',
      'BAD_USER_INPUT',
      'name',
    ],
    [
      'an eighth day',
      'createWorkingHours(input: { staff: "$staff", weekday: 8, startsAt: "09:00", endsAt: "10:00" }) { id }',
      'BAD_USER_INPUT',
      'weekday',
    ],
    [
      'a time that no clock shows',
      'createBreak(input: { staff: "$staff", weekday: 1, startsAt: "09:60", endsAt: "10:00" }) { id }',
      'BAD_USER_INPUT',
      'startsAt',
    ],
    [
      'hours that end before they begin',
      'createWorkingHours(input: { staff: "$staff", weekday: 2, startsAt: "22:00", endsAt: "06:00" }) { id }',
      'BAD_USER_INPUT',
      'endsAt',
    ],
    [
      'hours that overlap',
      'createWorkingHours(input: { staff: "$staff", weekday: 1, startsAt: "16:59", endsAt: "18:00" }) { id }',
      'CONFLICT',
      'startsAt',
    ],
    [
      'a blocked time that ends before it begins',
      'createBlockedTime(input: { staff: "$staff", startsAt: "2030-01-02T00:00:00Z", endsAt: "2030-01-01T00:00:00Z" }) { id }',
      'BAD_USER_INPUT',
      'endsAt',
    ],
    [
      'a blocked time of nobody',
      'createBlockedTime(input: { staff: "00000000-0000-4000-8000-000000000000", startsAt: "2030-01-01T00:00:00Z", endsAt: "2030-01-02T00:00:00Z" }) { id }',
      'BAD_USER_INPUT',
      'staff',
    ],
    [
      'a service of no time',
      'createService(input: { category: "$staff", name: "x", durationMinutes: 0 }) { id }',
      'BAD_USER_INPUT',
      'durationMinutes',
    ],
    [
      'a service of more than a day',
      'createService(input: { category: "$staff", name: "x", durationMinutes: 1441 }) { id }',
      'BAD_USER_INPUT',
      'durationMinutes',
    ],
    [
      'a service without a category',
      'createService(input: { category: "$staff", name: "x", durationMinutes: 60 }) { id }',
      'BAD_USER_INPUT',
      'category',
    ],
    ['a service that nobody has', 'assignService(staff: "$staff", service: "$staff") { id }', 'NOT_FOUND', 'service'],
  ])('are refused: %s', async (_what, text, code, field) => {
    const staff = await lab.staff('UTC', { 1: ['09:00-17:00'] });
    expect(await lab.refused(`mutation { ${text.replaceAll('$staff', staff.id)} }`)).toMatchObject({ code, field });
  });

  it('hours of 24 hours touch those of the next day, and breaks may overlap with blocked times', async () => {
    const staff = await lab.staff('UTC', { 1: ['00:00-12:00', '12:00-24:00'], 2: ['00:00-24:00'] });
    await lab.weekly('Break', staff.id, 1, '12:00-13:00');
    await lab.make(block(staff, at('12:30'), at('14:00')));
    await lab.make(block(staff, at('13:00'), at('15:00')));
    expect(await lab.slots(staff, at('10:00'), at('17:00'))).toEqual([
      at('10:00'),
      at('11:00'),
      at('15:00'),
      at('16:00'),
    ]);
  });

  it('a category is named once, and is deleted when it is empty', async () => {
    const id = await lab.make('createServiceCategory(input: { name: "Hair" })');
    expect(await lab.refused('mutation { createServiceCategory(input: { name: " Hair" }) { id } }')).toMatchObject({
      code: 'CONFLICT',
      field: 'name',
    });
    const service = await lab.make(`createService(input: { category: "${id}", name: "Cut", durationMinutes: 30 })`);
    expect(
      await lab.ask(`{ serviceCategory(id: "${id}") { services { nodes { name slotMinutes staff { name } } } } }`),
    ).toEqual({
      serviceCategory: { services: { nodes: [{ name: 'Cut', slotMinutes: 15, staff: [] }] } },
    });
    const remove = `mutation { deleteServiceCategory(id: "${id}") }`;
    expect(await lab.refused(remove)).toMatchObject({ code: 'CONFLICT' });
    await lab.ask(`mutation { deleteService(id: "${service}") }`);
    expect(await lab.ask(remove)).toEqual({ deleteServiceCategory: true });
  });

  it('a service has a hundred staff members at most', async () => {
    const service = await lab.service(60);
    const one = 'createStaffMember(input: { name: "x", timeZone: "UTC" }) { id }';
    const aliases = Array.from({ length: 20 }, (_, index) => `a${index}`);
    for (let round = 0; round < 5; round += 1) {
      const made = await lab.ask<Record<string, { id: string }>>(
        `mutation { ${aliases.map((alias) => `${alias}: ${one}`).join(' ')} }`,
      );
      const assigned = Object.entries(made).map(
        ([alias, { id }]) => `${alias}: assignService(staff: "${id}", service: "${service}") { id }`,
      );
      await lab.ask(`mutation { ${assigned.join(' ')} }`);
    }
    const id = await lab.make('createStaffMember(input: { name: "x", timeZone: "UTC" })');
    expect(await lab.refused(`mutation { assignService(staff: "${id}", service: "${service}") { id } }`)).toMatchObject(
      {
        code: 'CONFLICT',
        field: 'service',
      },
    );
    const { service: read } = await lab.ask<{ service: { staff: object[] } }>(
      `{ service(id: "${service}") { staff { name } } }`,
    );
    expect(read.staff).toHaveLength(100);
  });
});
