import type { EntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { AppError, badInput, type Context, type InputValues } from '../../platform.ts';
import { availableSql } from './available-times.ts';
import type { Appointment } from './bookings.entity.ts';
import { lockStaff, unknown } from './references.ts';

/** A service at a time, with somebody. */
export interface Wish {
  /** The service's id. */
  readonly service: string;
  /** The staff member's id. */
  readonly staff: string;
  readonly startsAt: Date;
}

/** How far ahead appointments can be, in days. */
export const MAX_DAYS_AHEAD = 731;

const MS_OF_MINUTE = 60_000;
const MS_OF_DAY = 86_400_000;

/**
 * Checks that a new appointment is possible and finds out when it ends. The staff member stays locked until it is written:
 * several at once would find each other in the constraint that refuses overlaps, and PostgreSQL would call that a deadlock.
 * @throws {AppError} BAD_USER_INPUT, NOT_FOUND, CONFLICT if the staff member cannot be booked at that time
 */
export async function prepareBooking(
  values: InputValues<Appointment>,
  _context: Context,
  _stored: Appointment | undefined,
  em: EntityManager,
): Promise<InputValues<Appointment>> {
  // An input has the ids of relations, and these fields are required.
  const wish = values as unknown as Wish;
  checkTime(wish);
  await lockStaff(em, wish.staff);
  return { ...values, endsAt: await findEnd(em, wish) };
}

/** @throws {AppError} BAD_USER_INPUT for a time that no appointment can have */
export function checkTime({ startsAt }: Pick<Wish, 'startsAt'>): void {
  if (startsAt.getTime() % MS_OF_MINUTE !== 0) throw badInput('startsAt', 'startsAt must be a whole minute');
  if (startsAt.getTime() <= Date.now() + MAX_DAYS_AHEAD * MS_OF_DAY) return;
  throw badInput('startsAt', `startsAt must be at most ${MAX_DAYS_AHEAD} days ahead`);
}

/**
 * Returns when an appointment would end that is booked now. The caller has locked the staff member.
 * @throws {AppError} as {@link prepareBooking}
 */
export async function findEnd(em: EntityManager, { service, staff, startsAt }: Wish): Promise<Date> {
  const begin = sql`${startsAt.toISOString()}::timestamptz`;
  const { rows } = await sql<{ endsAt: string; isPast: boolean; isPerformed: boolean; isAvailable: boolean }>`
    SELECT ends AS "endsAt", ${begin} < now() AS "isPast",
      EXISTS (SELECT FROM staff_services WHERE staff_id = s.id AND service_id = v.id) AS "isPerformed",
      ${availableSql({ from: begin, to: sql`ends` })} @> tstzrange(${begin}, ends) AS "isAvailable"
    FROM services v
      CROSS JOIN LATERAL (SELECT ${begin} + make_interval(mins => duration_minutes) AS ends) e
      CROSS JOIN staff_members s
    WHERE v.id = ${service} AND s.id = ${staff}`.execute(em.getKysely());
  const [found] = rows;
  if (!found) throw unknown('service', 'Service', service);
  if (found.isPast) throw badInput('startsAt', 'startsAt must be in the future');
  if (!found.isPerformed) throw refused('staff', 'The staff member does not perform this service');
  if (found.isAvailable) return new Date(found.endsAt);
  throw refused('startsAt', 'The staff member cannot be booked at this time. Ask for freeSlots.');
}

function refused(field: string, message: string): AppError {
  return new AppError('CONFLICT', message, { details: { field } });
}
