import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { type Listening, listen } from '../../support/listen.ts';
import { startTestApp, type TestApp } from '../../support/start-app.ts';

const MS_OF_DAY = 86_400_000;

/** A day as a client writes it, such as `2027-03-28`. */
export type Day = string;

/** The first such weekday that is at least a week away. From 1 for Monday to 7 for Sunday. */
export function nextDay(weekday: number, from = new Date(Date.now() + 7 * MS_OF_DAY)): Day {
  const days = (weekday - from.getUTCDay() + 7) % 7;
  return new Date(from.getTime() + days * MS_OF_DAY).toISOString().slice(0, 10);
}

/** The last Sunday of a month of next year, when clocks change in Europe: in March (3) forward, in October (10) back. */
export function lastSunday(month: number): Day {
  const year = new Date().getUTCFullYear() + 1;
  const last = new Date(Date.UTC(year, month, 0));
  return new Date(last.getTime() - last.getUTCDay() * MS_OF_DAY).toISOString().slice(0, 10);
}

/** The day so many days later. */
export function later(day: Day, days: number): Day {
  return new Date(Date.parse(day) + days * MS_OF_DAY).toISOString().slice(0, 10);
}

/** Somebody who works, and the id of the service that they perform. */
export interface Staff {
  readonly id: string;
  readonly service: string;
}

/** What a refused request says. */
export interface Refusal {
  readonly message: string;
  readonly code: string | undefined;
  readonly field: unknown;
  readonly appointment: unknown;
}

/** Tenants that take bookings, over HTTP. */
export class BookingsLab {
  readonly app: TestApp;
  readonly server: Listening;
  #names = 0;
  #headers: Record<string, string> = {};

  constructor(app: TestApp, server: Listening) {
    this.app = app;
    this.server = server;
  }

  /** Creates a tenant, for which everything that follows is asked as its admin. */
  async useTenant(slug: string, isolation: string): Promise<void> {
    const input = `{ slug: "${slug}", name: "x", isolation: ${isolation} }`;
    const created = await this.server.ask(`mutation { createTenant(input: ${input}) { id } }`, this.app.admin);
    expect(created.errors).toBeUndefined();
    this.#headers = await this.headers(slug, 'ADMIN');
  }

  /** A token of somebody else each time. */
  async headers(slug: string, role: string): Promise<Record<string, string>> {
    const claims = { subject: randomUUID(), tenant: slug, role, expiresIn: '1h' };
    return { authorization: `Bearer ${await this.app.services.tokens.issue(claims)}` };
  }

  async ask<Data>(query: string, headers = this.#headers): Promise<Data> {
    const { data, errors } = await this.server.ask<Data>(query, headers);
    expect(errors, query).toBeUndefined();
    return data ?? expect.unreachable(query);
  }

  async refused(query: string, headers = this.#headers): Promise<Refusal> {
    const { errors } = await this.server.ask(query, headers);
    const [{ message, extensions } = expect.unreachable(`${query} was not refused`)] = errors ?? [];
    const { code, field, appointment } = extensions;
    return { message, code, field, appointment };
  }

  /** Sends a mutation with one field, and gives the id of what it returns. */
  async make(field: string): Promise<string> {
    const { made } = await this.ask<{ made: { id: string } }>(`mutation { made: ${field} { id } }`);
    return made.id;
  }

  /** The id of a new service. */
  async service(durationMinutes: number, slotMinutes = durationMinutes): Promise<string> {
    const category = await this.make(`createServiceCategory(input: { name: "${this.#name()}" })`);
    const input = `category: "${category}", name: "${this.#name()}", durationMinutes: ${durationMinutes}`;
    return this.make(`createService(input: { ${input}, slotMinutes: ${slotMinutes} })`);
  }

  /** Somebody who performs a service, by default a new one of an hour. Hours are as in `{ 1: ['09:00-17:00'] }`. */
  async staff(
    timeZone: string,
    hours: Readonly<Record<number, readonly string[]>>,
    ofService?: string,
  ): Promise<Staff> {
    const service = ofService ?? (await this.service(60));
    const id = await this.make(`createStaffMember(input: { name: "${this.#name()}", timeZone: "${timeZone}" })`);
    await this.make(`assignService(staff: "${id}", service: "${service}")`);
    for (const [weekday, spans] of Object.entries(hours)) {
      for (const span of spans) await this.weekly('WorkingHours', id, Number(weekday), span);
    }
    return { id, service };
  }

  weekly(kind: 'WorkingHours' | 'Break', staff: string, weekday: number, span: string): Promise<string> {
    const [startsAt, endsAt] = span.split('-');
    const input = `staff: "${staff}", weekday: ${weekday}, startsAt: "${startsAt}", endsAt: "${endsAt}"`;
    return this.make(`create${kind}(input: { ${input} })`);
  }

  /** When somebody can be booked; times as in `2027-03-28T09:00`, which are UTC. */
  async slots({ id, service }: Staff, from: string, to: string): Promise<string[]> {
    const range = `from: "${from}:00Z", to: "${to}:00Z"`;
    const { freeSlots } = await this.ask<{ freeSlots: { startsAt: string }[] }>(
      `{ freeSlots(service: "${service}", staff: "${id}", ${range}, first: 1000) { startsAt } }`,
    );
    return freeSlots.map(({ startsAt }) => startsAt.replace(/:00\.000Z$/, ''));
  }

  /** The mutation that books an hour. */
  booking({ id, service }: Staff, startsAt: string, customer = 'Ada'): string {
    const input = `service: "${service}", staff: "${id}", startsAt: "${startsAt}:00Z", customer: "${customer}"`;
    return `bookAppointment(input: { ${input} })`;
  }

  book(staff: Staff, startsAt: string): Promise<string> {
    return this.make(this.booking(staff, startsAt));
  }

  refusedBooking(staff: Staff, startsAt: string): Promise<Refusal> {
    return this.refused(`mutation { ${this.booking(staff, startsAt)} { id } }`);
  }

  #name(): string {
    this.#names += 1;
    return `name ${this.#names}`;
  }
}

/** Starts a server with such a tenant, `acme`. */
export async function startBookingsLab(
  isolation: string,
  env: Record<string, string> = {},
): Promise<BookingsLab & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const app = stack.use(await startTestApp(env));
  const server = stack.use(await listen(app.yoga));
  const lab = new BookingsLab(app, server);
  await lab.useTenant('acme', isolation);
  const parts = stack.move();
  return Object.assign(lab, { [Symbol.asyncDispose]: () => parts[Symbol.asyncDispose]() });
}
