import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BookingsLab, nextDay, type Staff, startBookingsLab } from './bookings-lab.ts';

const monday = nextDay(1);
const at = (time: string) => `${monday}T${time}`;

/** A hundred requests on a busy machine wait longer than clients want to. */
const patience = { OPERATION_WAIT_MS: '60000', CONNECTION_WAIT_MS: '60000' };

describe.each(['DATABASE', 'SCHEMA'])('bookings, in a tenant with isolation %s', (isolation) => {
  let lab: BookingsLab & AsyncDisposable;
  let staff: Staff;
  beforeAll(async () => {
    lab = await startBookingsLab(isolation, patience);
    staff = await lab.staff('UTC', { 1: ['09:00-12:00'] });
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  const free = () => lab.slots(staff, at('00:00'), at('23:59'));

  it('a free slot is booked, is gone, is cancelled and is back', async () => {
    expect(await free()).toEqual([at('09:00'), at('10:00'), at('11:00')]);
    const { booked } = await lab.ask<{ booked: { id: string } }>(
      `mutation { booked: ${lab.booking(staff, at('10:00'))} { id startsAt endsAt customer cancelledAt service { durationMinutes category { name } } staff { timeZone } } }`,
    );
    expect(booked).toEqual({
      id: expect.any(String),
      startsAt: `${at('10:00')}:00.000Z`,
      endsAt: `${at('11:00')}:00.000Z`,
      customer: 'Ada',
      cancelledAt: null,
      service: { durationMinutes: 60, category: { name: expect.any(String) } },
      staff: { timeZone: 'UTC' },
    });
    expect(await free()).toEqual([at('09:00'), at('11:00')]);
    const cancel = `mutation { cancelAppointment(id: "${booked.id}") { cancelledAt } }`;
    const cancelled = await lab.ask<{ cancelAppointment: { cancelledAt: string } }>(cancel);
    expect(cancelled.cancelAppointment.cancelledAt).toMatch(/Z$/);
    expect(await lab.ask(cancel)).toEqual(cancelled);
    expect(await free()).toEqual([at('09:00'), at('10:00'), at('11:00')]);
    const move = `mutation { rescheduleAppointment(id: "${booked.id}", startsAt: "${at('09:00')}:00Z") { id } }`;
    expect(await lab.refused(move)).toMatchObject({ code: 'CONFLICT', message: expect.stringMatching(/cancelled/) });
  });

  it('a hundred clients who want the same slot get exactly one appointment, and the others are told', async () => {
    const clients = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => ({
        text: `mutation { ${lab.booking(staff, at('09:00'), `client ${index}`)} { customer } }`,
        headers: await lab.headers('acme', 'MEMBER'),
      })),
    );
    const answers = await Promise.all(
      clients.map(({ text, headers }) => lab.server.ask<{ bookAppointment: { customer: string } }>(text, headers)),
    );
    const winners = answers.flatMap(({ data }) => data?.bookAppointment ?? []);
    expect(winners).toHaveLength(1);
    const refusals = answers.flatMap(({ errors }) => errors ?? []);
    expect(refusals).toHaveLength(99);
    for (const { message, extensions } of refusals) {
      expect(message).toBe('The staff member has another appointment at this time');
      expect(extensions).toMatchObject({ code: 'CONFLICT', field: 'startsAt' });
    }
    const ofTheHour = `filter: { startsAt: { eq: "${at('09:00')}:00Z" }, cancelledAt: { isNull: true } }`;
    expect(await lab.ask(`{ appointments(${ofTheHour}) { totalCount nodes { customer } } }`)).toEqual({
      appointments: { totalCount: 1, nodes: winners },
    });
  });

  it('another tenant sees none of it, whatever the ids that it knows', async () => {
    await lab.book(staff, at('11:00'));
    const other = `other-${isolation.toLowerCase()}`;
    const input = `{ slug: "${other}", name: "x", isolation: ${isolation} }`;
    await lab.ask(`mutation { createTenant(input: ${input}) { id } }`, lab.app.admin);
    const headers = await lab.headers(other, 'OWNER');
    const lists = ['serviceCategories', 'services', 'staffMembers', 'appointments'];
    const counts = lists.map((list) => `${list} { totalCount }`).join(' ');
    expect(await lab.ask(`{ ${counts} staffMember(id: "${staff.id}") { name } }`, headers)).toEqual({
      ...Object.fromEntries(lists.map((list) => [list, { totalCount: 0 }])),
      staffMember: null,
    });
    expect(await lab.ask(`{ ${counts} }`)).toEqual(
      Object.fromEntries(lists.map((list) => [list, { totalCount: expect.toSatisfy((count) => count > 0) }])),
    );
    expect(await lab.refused(`mutation { ${lab.booking(staff, at('10:00'))} { id } }`, headers)).toMatchObject({
      code: 'NOT_FOUND',
      field: 'staff',
    });
  });
});
