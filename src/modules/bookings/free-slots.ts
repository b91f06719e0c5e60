import type { EntityManager } from '@mikro-orm/postgresql';
import { type RawBuilder, sql } from 'kysely';
import { badInput } from '../../platform.ts';
import { availableSql, bookedSql, weeklySql } from './available-times.ts';
import { Service, StaffMember } from './bookings.entity.ts';
import { checkId, mustExist } from './references.ts';

/** A time at which a service can be booked. */
export interface FreeSlot {
  /** In RFC 3339. */
  readonly startsAt: string;
  readonly endsAt: string;
  /** The id of the staff member. */
  readonly staff: string;
}

/** What a client looks for. */
export interface SlotSearch {
  /** The service's id. */
  readonly service: string;
  /** The staff member's id; without it, all who perform the service. */
  readonly staff?: string | null | undefined;
  readonly from: Date;
  readonly to: Date;
  /** The maximum number of slots. */
  readonly first: number;
}

/** The longest time of a search, in days. */
export const MAX_DAYS = 31;
/** The maximum number of slots of a search. */
export const MAX_SLOTS = 1000;

const MS_OF_DAY = 86_400_000;

/**
 * Finds the times from now on at which a service can be booked, the earliest first. They begin with each working hours, and
 * every so many minutes after that, as the service says.
 * @throws {AppError} BAD_USER_INPUT, NOT_FOUND for an unknown service or staff member
 */
export async function freeSlots(em: EntityManager, search: SlotSearch): Promise<readonly FreeSlot[]> {
  const { service, staff, from, to, first } = search;
  checkId('service', service);
  if (staff != null) checkId('staff', staff);
  checkLimits(search);
  const { rows } = await slotsSql(service, staff ?? undefined, from, to, first).execute(em.getKysely());
  if (rows.length === 0) {
    await mustExist(em, Service, 'service', service);
    if (staff != null) await mustExist(em, StaffMember, 'staff', staff);
  }
  return rows;
}

function checkLimits({ from, to, first }: SlotSearch): void {
  if (from >= to) throw badInput('to', 'to must be later than from');
  if (to.getTime() - from.getTime() > MAX_DAYS * MS_OF_DAY) {
    throw badInput('to', `to must be at most ${MAX_DAYS} days later than from`);
  }
  if (first < 1 || first > MAX_SLOTS) throw badInput('first', `first must be from 1 to ${MAX_SLOTS}`);
}

function slotsSql(service: string, staff: string | undefined, from: Date, to: Date, first: number) {
  const span = { from: sql`${from.toISOString()}::timestamptz`, to: sql`${to.toISOString()}::timestamptz` };
  const text = (time: RawBuilder<unknown>) => sql`to_char(${time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
  // OFFSET 0 keeps PostgreSQL from computing the free times again for each slot.
  return sql<FreeSlot>`
    SELECT ${text(sql`begins`)} AS "startsAt", ${text(sql`ends`)} AS "endsAt", staff FROM (
      SELECT DISTINCT slot AS begins, slot + s.duration AS ends, s.id AS staff
      FROM (
        SELECT s.id, s.time_zone, make_interval(mins => v.duration_minutes) AS duration,
          make_interval(mins => v.slot_minutes) AS step, ${availableSql(span)} - ${bookedSql(span)} AS free
        FROM services v JOIN staff_services o ON o.service_id = v.id JOIN staff_members s ON s.id = o.staff_id
        WHERE v.id = ${service} ${staff === undefined ? sql`` : sql`AND s.id = ${staff}`}
        OFFSET 0) s
        CROSS JOIN LATERAL ${weeklySql('working_hours', span)} w
        CROSS JOIN LATERAL generate_series(w.begins, w.ends - interval '1 minute', s.step) slot
      WHERE slot >= greatest(${span.from}, now()) AND slot + s.duration <= ${span.to}
        AND s.free @> tstzrange(slot, slot + s.duration)
      ORDER BY begins, staff LIMIT ${first}) slots
    ORDER BY begins, staff`;
}
