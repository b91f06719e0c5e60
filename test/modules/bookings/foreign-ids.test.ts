import { expect } from 'vitest';
import { type Prepare, testForeignIds } from '../../support/foreign-ids.ts';
import { nextDay } from './bookings-lab.ts';
import { table } from './id-cases.ts';

const monday = nextDay(1);

const prepare: Prepare = async (app, other, caller) => {
  const fill = async (headers: Record<string, string>) => {
    const make = async (field: string) => {
      const { data, errors } = await app.ask(`mutation { made: ${field} { id } }`, headers);
      expect(errors, field).toBeUndefined();
      // What this mutation asks for.
      const { id } = (data?.made ?? {}) as { id: string };
      return id;
    };
    const category = await make('createServiceCategory(input: { name: "Hair" })');
    const service = await make(`createService(input: { category: "${category}", name: "Cut", durationMinutes: 60 })`);
    const staff = await make('createStaffMember(input: { name: "Bob", timeZone: "UTC" })');
    await make(`assignService(staff: "${staff}", service: "${service}")`);
    const week = (from: string, to: string) => `staff: "${staff}", weekday: 1, startsAt: "${from}", endsAt: "${to}"`;
    const time = (hour: string) => `"${monday}T${hour}:00Z"`;
    return {
      category,
      service,
      staff,
      hours: await make(`createWorkingHours(input: { ${week('09:00', '17:00')} })`),
      break: await make(`createBreak(input: { ${week('12:00', '13:00')} })`),
      blocked: await make(
        `createBlockedTime(input: { staff: "${staff}", startsAt: ${time('14:00')}, endsAt: ${time('15:00')} })`,
      ),
      appointment: await make(
        `bookAppointment(input: { service: "${service}", staff: "${staff}", startsAt: ${time('09:00')}, customer: "Ada" })`,
      ),
    };
  };
  const own = await fill(caller.headers);
  return {
    ...(await fill(other.headers)),
    own_service: own.service,
    own_staff: own.staff,
    own_appointment: own.appointment,
  };
};

testForeignIds(table, prepare);
