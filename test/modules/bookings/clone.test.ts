import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cloneTenant } from '../../support/clones.ts';
import { type BookingsLab, nextDay, startBookingsLab } from './bookings-lab.ts';

const day = nextDay(1);

describe.each(['DATABASE', 'SCHEMA'])('a clone of a tenant with bookings and isolation %s', (isolation) => {
  let lab: BookingsLab & AsyncDisposable;
  beforeAll(async () => {
    lab = await startBookingsLab(isolation);
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  it('names nobody, and keeps when who is booked', async () => {
    const staff = await lab.staff('UTC', { 1: ['09:00-12:00'] });
    await lab.book(staff, `${day}T09:00`);
    const blocked = `staff: "${staff.id}", startsAt: "${day}T10:00:00Z", endsAt: "${day}T11:00:00Z"`;
    await lab.make(`createBlockedTime(input: { ${blocked}, reason: "sees a doctor" })`);
    const text =
      '{ appointments { nodes { customer note startsAt staff { name blockedTimes { nodes { reason } } } } } }';
    const original = await lab.ask(text);
    await cloneTenant(lab.app, 'acme', 'sandbox');
    expect(await lab.ask(text, await lab.headers('sandbox', 'ADMIN'))).toEqual({
      appointments: {
        nodes: [
          {
            customer: expect.stringMatching(/^Customer [0-9a-f]{8}$/),
            note: null,
            startsAt: `${day}T09:00:00.000Z`,
            staff: {
              name: `Staff member ${staff.id.slice(0, 8)}`,
              blockedTimes: { nodes: [{ reason: null }] },
            },
          },
        ],
      },
    });
    expect(JSON.stringify(original)).toMatch(/"Ada".*"sees a doctor"/);
    expect(await lab.ask(text)).toEqual(original);
  });
});
