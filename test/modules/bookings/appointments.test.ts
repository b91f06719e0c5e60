import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BookingsLab, later, nextDay, type Staff, startBookingsLab } from './bookings-lab.ts';

const monday = nextDay(1);
const at = (time: string) => `${monday}T${time}`;
const nowhere = '00000000-0000-4000-8000-000000000000';

describe('an appointment', () => {
  let lab: BookingsLab & AsyncDisposable;
  let staff: Staff;
  let noon: string;
  beforeAll(async () => {
    lab = await startBookingsLab('SCHEMA');
    staff = await lab.staff('UTC', { 1: ['09:00-17:00'] });
    await lab.weekly('Break', staff.id, 1, '16:00-16:30');
    await lab.make(
      `createBlockedTime(input: { staff: "${staff.id}", startsAt: "${at('09:30')}:00Z", endsAt: "${at('10:00')}:00Z" })`,
    );
    noon = await lab.book(staff, at('12:00'));
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  const taken = {
    code: 'CONFLICT',
    field: 'startsAt',
    message: 'The staff member has another appointment at this time',
  };
  const closed = {
    code: 'CONFLICT',
    field: 'startsAt',
    message: expect.stringMatching(/cannot be booked at this time/),
  };

  it.each([
    ['begins within', '12:30', taken],
    ['ends within', '11:01', taken],
    ['is the same', '12:00', taken],
    ['begins before working hours', '08:59', closed],
    ['ends after working hours', '16:31', closed],
    ['ends within a break', '15:30', closed],
    ['begins within a break', '16:15', closed],
    ['ends within a blocked time', '09:00', closed],
    ['begins within a blocked time', '09:59', closed],
  ])('is refused where it %s', async (_shape, time, refusal) => {
    expect(await lab.refusedBooking(staff, at(time))).toMatchObject(refusal);
  });

  it('is refused where it surrounds another or lies within it', async () => {
    const [long, short] = [await lab.service(120), await lab.service(30)];
    for (const [service, time] of [
      [long, '11:30'],
      [short, '12:15'],
    ] as const) {
      await lab.make(`assignService(staff: "${staff.id}", service: "${service}")`);
      expect(await lab.refusedBooking({ ...staff, service }, at(time))).toMatchObject(taken);
    }
  });

  it('can touch others, breaks and blocked times, and the ends of working hours', async () => {
    for (const time of ['11:00', '13:00', '15:00', '10:00']) await lab.book(staff, at(time));
    const last = await lab.staff('UTC', { 1: ['09:00-10:00'] });
    await lab.book(last, at('09:00'));
  });

  it('of somebody else may be at the same time', async () => {
    await lab.book(await lab.staff('UTC', { 1: ['09:00-17:00'] }, staff.service), at('12:00'));
  });

  it('moves to a time that overlaps with its own, to another time, and to somebody else', async () => {
    const [one, other] = [
      await lab.staff('UTC', { 2: ['09:00-17:00'] }),
      await lab.staff('UTC', { 1: ['09:00-17:00'] }),
    ];
    await lab.make(`assignService(staff: "${other.id}", service: "${one.service}")`);
    const tuesday = (time: string) => `${later(monday, 1)}T${time}`;
    const id = await lab.book(one, tuesday('12:00'));
    const move = (to: string, more = '') =>
      `mutation { rescheduleAppointment(id: "${id}", startsAt: "${to}:00Z"${more}) { startsAt endsAt staff { id } version } }`;
    expect(await lab.ask(move(tuesday('12:30')))).toEqual({
      rescheduleAppointment: {
        startsAt: `${tuesday('12:30')}:00.000Z`,
        endsAt: `${tuesday('13:30')}:00.000Z`,
        staff: { id: one.id },
        version: 2,
      },
    });
    await lab.book(one, tuesday('14:00'));
    expect(await lab.refused(move(tuesday('13:30')))).toMatchObject(taken);
    expect(await lab.refused(move(at('12:30')))).toMatchObject(closed);
    expect(await lab.ask(move(at('12:30'), `, staff: "${other.id}"`))).toMatchObject({
      rescheduleAppointment: { staff: { id: other.id } },
    });
    await lab.book(one, tuesday('12:30'));
  });

  it('two that change places at the same time both get an answer, and never the same time', async () => {
    const one = await lab.staff('UTC', { 1: ['09:00-17:00'] });
    for (let round = 0; round < 5; round += 1) {
      const ids = [await lab.book(one, at('10:00')), await lab.book(one, at('11:00'))];
      const move = (id: string | undefined, time: string) =>
        lab.refused(`mutation { rescheduleAppointment(id: "${id}", startsAt: "${at(time)}:00Z") { id } }`);
      const refusals = await Promise.all([move(ids[0], '11:00'), move(ids[1], '10:00')]);
      expect(refusals).toEqual([expect.objectContaining(taken), expect.objectContaining(taken)]);
      for (const id of ids) await lab.make(`cancelAppointment(id: "${id}")`);
    }
  });

  it('keeps its customer and note, unless somebody changed them meanwhile', async () => {
    const update = (version: number) =>
      `mutation { updateAppointment(id: "${noon}", version: ${version}, input: { customer: " Grace ", note: "By the window" }) { customer note startsAt version } }`;
    expect(await lab.ask(update(1))).toEqual({
      updateAppointment: { customer: 'Grace', note: 'By the window', startsAt: `${at('12:00')}:00.000Z`, version: 2 },
    });
    expect(await lab.refused(update(1))).toMatchObject({ code: 'CONFLICT', field: 'version' });
  });

  it.each<[string, Partial<Record<'service' | 'staff' | 'startsAt' | 'customer', string>>, string, string]>([
    ['a service that is not there', { service: nowhere }, 'NOT_FOUND', 'service'],
    ['a service that is no id', { service: 'haircut' }, 'BAD_USER_INPUT', 'service'],
    ['staff that is not there', { staff: nowhere }, 'NOT_FOUND', 'staff'],
    ['staff that is no id', { staff: 'Bob' }, 'BAD_USER_INPUT', 'staff'],
    ['the past', { startsAt: '2020-01-06T10:00:00Z' }, 'BAD_USER_INPUT', 'startsAt'],
    ['the far future', { startsAt: '9999-01-06T10:00:00Z' }, 'BAD_USER_INPUT', 'startsAt'],
    ['a part of a minute', { startsAt: `${at('14:00')}:01Z` }, 'BAD_USER_INPUT', 'startsAt'],
    ['nobody', { customer: ' ' }, 'BAD_USER_INPUT', 'customer'],
    ['several lines', { customer: 'A\\nB' }, 'BAD_USER_INPUT', 'customer'],
  ])('is refused for %s', async (_what, change, code, field) => {
    const values = {
      service: staff.service,
      staff: staff.id,
      startsAt: `${at('14:00')}:00Z`,
      customer: 'Ada',
      ...change,
    };
    const input = Object.entries(values).map(([name, value]) => `${name}: "${value}"`);
    expect(await lab.refused(`mutation { bookAppointment(input: { ${input.join()} }) { id } }`)).toMatchObject({
      code,
      field,
    });
  });

  it('needs somebody who performs the service', async () => {
    const service = await lab.service(60);
    expect(await lab.refusedBooking({ ...staff, service }, at('14:00'))).toMatchObject({
      code: 'CONFLICT',
      field: 'staff',
    });
    await lab.make(`assignService(staff: "${staff.id}", service: "${service}")`);
    await lab.book({ ...staff, service }, at('14:00'));
    const unassign = `mutation { unassignService(staff: "${staff.id}", service: "${service}") }`;
    expect(await lab.ask(unassign)).toEqual({ unassignService: true });
    expect(await lab.ask(unassign)).toEqual({ unassignService: false });
  });

  it('keeps its service and its staff from being deleted', async () => {
    expect(await lab.refused(`mutation { deleteStaffMember(id: "${staff.id}") }`)).toMatchObject({
      code: 'CONFLICT',
      field: 'id',
      message: 'The staff member has appointments',
    });
    expect(await lab.refused(`mutation { deleteService(id: "${staff.service}") }`)).toMatchObject({
      code: 'CONFLICT',
      field: 'id',
      message: 'The service has appointments',
    });
    const idle = await lab.staff('UTC', { 1: ['09:00-17:00'] });
    expect(
      await lab.ask(`mutation { deleteStaffMember(id: "${idle.id}") deleteService(id: "${idle.service}") }`),
    ).toEqual({
      deleteStaffMember: true,
      deleteService: true,
    });
  });
});
