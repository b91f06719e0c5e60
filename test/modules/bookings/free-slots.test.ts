import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { logStatements } from '../../../src/postgres/sql/log-statements.ts';
import { captureLog } from '../../support/log-lines.ts';
import { type BookingsLab, lastSunday, later, nextDay, type Staff, startBookingsLab } from './bookings-lab.ts';

const monday = nextDay(1);
const at = (time: string, day = monday) => `${day}T${time}`;
const nowhere = '00000000-0000-4000-8000-000000000000';

describe('free slots', () => {
  const sent = captureLog();
  let lab: BookingsLab & AsyncDisposable;
  beforeAll(async () => {
    logStatements(sent.log);
    lab = await startBookingsLab('SCHEMA');
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  const ofDay = (staff: Staff, day = monday) => lab.slots(staff, at('00:00', day), at('00:00', later(day, 1)));

  it('begin every so many minutes from the beginning of working hours, and leave room for the service', async () => {
    const staff = await lab.staff('UTC', { 1: ['09:10-10:30', '13:00-14:00'] }, await lab.service(45, 20));
    expect(await ofDay(staff)).toEqual([at('09:10'), at('09:30'), at('13:00')]);
    await lab.make(`updateService(id: "${staff.service}", input: { durationMinutes: 20 })`);
    expect(await ofDay(staff)).toEqual(
      ['09:10', '09:30', '09:50', '10:10', '13:00', '13:20', '13:40'].map((time) => at(time)),
    );
  });

  it('are outside breaks, blocked times and appointments, but not cancelled ones', async () => {
    const staff = await lab.staff('UTC', { 1: ['08:00-18:00'] });
    await lab.weekly('Break', staff.id, 1, '12:30-13:00');
    const blocked = `staff: "${staff.id}", startsAt: "${at('07:00')}:00Z", endsAt: "${at('09:00')}:00Z", reason: "Training"`;
    await lab.make(`createBlockedTime(input: { ${blocked} })`);
    await lab.book(staff, at('15:30'));
    const cancelled = await lab.book(staff, at('10:00'));
    await lab.make(`cancelAppointment(id: "${cancelled}")`);
    expect(await ofDay(staff)).toEqual(['09:00', '10:00', '11:00', '13:00', '14:00', '17:00'].map((time) => at(time)));
  });

  it('go across midnight, where working hours do', async () => {
    const staff = await lab.staff('UTC', { 1: ['22:00-24:00'], 2: ['00:00-02:00'] }, await lab.service(180, 60));
    expect(await lab.slots(staff, at('00:00'), at('23:59', later(monday, 1)))).toEqual([at('22:00'), at('23:00')]);
    await lab.book(staff, at('23:00'));
  });

  it('lie completely between from and to, and are never in the past', async () => {
    const staff = await lab.staff(
      'UTC',
      Object.fromEntries([1, 2, 3, 4, 5, 6, 7].map((day) => [day, ['00:00-24:00']])),
    );
    expect(await lab.slots(staff, at('09:30'), at('12:30'))).toEqual([at('10:00'), at('11:00')]);
    const now = new Date();
    const from = new Date(now.getTime() - 3 * 3_600_000).toISOString().slice(0, 16);
    const to = new Date(now.getTime() + 3 * 3_600_000).toISOString().slice(0, 16);
    const found = await lab.slots(staff, from, to);
    expect(found.length).toBeGreaterThan(0);
    for (const slot of found) expect(Date.parse(`${slot}Z`)).toBeGreaterThan(now.getTime());
  });

  it.each([
    ['Asia/Kolkata', at('03:30')],
    ['Pacific/Kiritimati', at('19:00', later(monday, -1))],
    ['Pacific/Pago_Pago', at('20:00')],
  ])('begin at the same time of the clock in %s', async (timeZone, expected) => {
    const staff = await lab.staff(timeZone, { 1: ['09:00-10:00'] });
    const day = expected.slice(0, 10);
    expect(await ofDay(staff, day)).toEqual([expected]);
    await lab.book(staff, expected);
  });

  const spring = lastSunday(3);
  const autumn = lastSunday(10);

  it.each([
    ['forward: an hour is skipped', 'Europe/Berlin', spring, '01:00-04:00', ['00:00', '01:00']],
    ['forward: a skipped time is the same time after the change', 'Europe/Berlin', spring, '02:15-05:00', ['01:15']],
    ['forward: hours that are skipped are left out', 'Europe/Berlin', spring, '02:30-03:10', []],
    ['forward: the evening comes an hour earlier', 'Europe/Berlin', spring, '18:00-19:00', ['16:00']],
    ['back: an hour comes twice', 'Europe/Berlin', autumn, '02:30-05:00', ['01:30', '02:30']],
    ['back: hours across it are longer', 'Europe/Berlin', autumn, '02:00-05:00', ['01:00', '02:00', '03:00']],
    ['back: hours that end with the second one', 'Europe/Berlin', autumn, '00:00-03:00', ['00:00', '01:00']],
    [
      'back at midnight: the day before is longer',
      'Atlantic/Azores',
      later(autumn, -1),
      '23:00-24:00',
      ['23:00', '00:00'],
    ],
    ['never', 'UTC', spring, '01:00-04:00', ['01:00', '02:00', '03:00']],
  ])('when clocks are set %s', async (_what, timeZone, day, hours, expected) => {
    const weekday = new Date(day).getUTCDay() || 7;
    const staff = await lab.staff(timeZone, { [weekday]: [hours] });
    const from = timeZone === 'Atlantic/Azores' ? at('12:00', day) : at('00:00', day);
    const found = await lab.slots(staff, from, at('12:00', later(day, 1)));
    expect(found.map((slot) => slot.slice(11))).toEqual(expected);
    for (const slot of found) await lab.book(staff, slot);
  });

  it('are found by a search that begins in the second hour before midnight', async () => {
    const saturday = later(autumn, -1);
    const staff = await lab.staff('Atlantic/Azores', { 6: ['22:00-24:00'] });
    expect(await lab.slots(staff, at('00:00', autumn), at('12:00', autumn))).toEqual([at('00:00', autumn)]);
    expect(await lab.slots(staff, at('12:00', saturday), at('12:00', autumn))).toHaveLength(3);
  });

  it('of all who perform the service come in the order of their times, with the staff read in one statement', async () => {
    const first = await lab.staff('UTC', { 1: ['09:00-11:00'] });
    const second = await lab.staff('UTC', { 1: ['10:00-12:00'] }, first.service);
    const search = async (count: number) => {
      const before = sent.text().length;
      const range = `from: "${at('00:00')}:00Z", to: "${at('23:00')}:00Z", first: ${count}`;
      const fields = 'startsAt endsAt staff { id timeZone workingHours { nodes { weekday startsAt endsAt } } }';
      const { freeSlots } = await lab.ask<{ freeSlots: { startsAt: string; staff: { id: string } }[] }>(
        `{ freeSlots(service: "${first.service}", ${range}) { ${fields} } }`,
      );
      // What is read of the catalog depends on how long ago it was read last.
      const ofTenant = /"sql":"SELECT (?:to_char|CASE WHEN octet_length)/g;
      const statements = sent.text().slice(before).match(ofTenant)?.length;
      return { freeSlots, statements };
    };
    const one = await search(1);
    const all = await search(100);
    expect(all.freeSlots.map(({ startsAt, staff }) => [startsAt.slice(11, 16), staff.id])).toEqual([
      ['09:00', first.id],
      ...[first.id, second.id].sort().map((id) => ['10:00', id]),
      ['11:00', second.id],
    ]);
    expect(all.freeSlots[0]).toMatchObject({
      staff: { timeZone: 'UTC', workingHours: { nodes: [{ weekday: 1, startsAt: '09:00', endsAt: '11:00' }] } },
    });
    expect(one.freeSlots).toEqual(all.freeSlots.slice(0, 1));
    expect([one.statements, all.statements]).toEqual([2, 2]);
  });

  it.each([
    ['to is not later', { to: `${at('09:00')}:00Z` }, 'BAD_USER_INPUT', 'to'],
    ['the range is too long', { to: `${at('09:01', later(monday, 31))}:00Z` }, 'BAD_USER_INPUT', 'to'],
    ['too many are wanted', { first: 1001 }, 'BAD_USER_INPUT', 'first'],
    ['none are wanted', { first: 0 }, 'BAD_USER_INPUT', 'first'],
    ['the service is not there', { service: nowhere }, 'NOT_FOUND', 'service'],
    ['the service is no id', { service: 'x' }, 'BAD_USER_INPUT', 'service'],
    ['the staff member is not there', { staff: nowhere }, 'NOT_FOUND', 'staff'],
    ['the staff member is no id', { staff: 'x' }, 'BAD_USER_INPUT', 'staff'],
  ])('are refused where %s', async (_why, change, code, field) => {
    const { id, service } = await lab.staff('UTC', {});
    const args = { service, staff: id, from: `${at('09:00')}:00Z`, to: `${at('10:00')}:00Z`, first: 10, ...change };
    const texts = Object.entries(args).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
    expect(await lab.refused(`{ freeSlots(${texts.join()}) { startsAt } }`)).toMatchObject({ code, field });
  });
});
