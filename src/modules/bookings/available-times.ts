import { type RawBuilder, sql } from 'kysely';

/** A span of time in SQL: two expressions of the type timestamptz. */
export interface Span {
  readonly from: RawBuilder<unknown>;
  readonly to: RawBuilder<unknown>;
}

const none = sql`'{}'::tstzmultirange`;

/**
 * SQL of the times in which the staff member `s` can be booked, as a multirange: working hours without breaks and blocked
 * times. It holds for the span, and may reach beyond it. Appointments are not taken into account.
 */
export function availableSql(span: Span): RawBuilder<unknown> {
  const ranges = (table: 'working_hours' | 'breaks') =>
    sql`coalesce((SELECT range_agg(tstzrange(begins, ends)) FROM ${weeklySql(table, span)} p), ${none})`;
  const { from, to } = span;
  const blocked = sql`coalesce((SELECT range_agg(tstzrange(starts_at, ends_at)) FROM blocked_times
    WHERE staff_id = s.id AND ends_at > ${from} AND starts_at < ${to}), ${none})`;
  return sql`(${ranges('working_hours')} - ${ranges('breaks')} - ${blocked})`;
}

/** SQL of the times in a span in which the staff member `s` has an appointment, as a multirange. */
export function bookedSql({ from, to }: Span): RawBuilder<unknown> {
  return sql`coalesce((SELECT range_agg(tstzrange(starts_at, ends_at)) FROM appointments
    WHERE staff_id = s.id AND cancelled_at IS NULL AND tstzrange(starts_at, ends_at) && tstzrange(${from}, ${to})), ${none})`;
}

/**
 * SQL of a subquery with the working hours or breaks of the staff member `s` on the days of a span, from `begins` to `ends`.
 *
 * Clocks show the time of the staff member's zone. When they are set forward, a time that they skip is the same time after
 * the change, and hours that they skip completely are left out. When they are set back, a time that they show twice is the
 * second one.
 */
export function weeklySql(table: 'working_hours' | 'breaks', { from, to }: Span): RawBuilder<unknown> {
  // When clocks are set back at midnight, an hour of the day before belongs to this day's hours.
  const first = sql`(${from} AT TIME ZONE s.time_zone)::date - 1`;
  const days = sql`(${to} AT TIME ZONE s.time_zone)::date - (${first})`;
  return sql`(
    SELECT begins, ends FROM generate_series(0, ${days}) number
      CROSS JOIN LATERAL (SELECT ${first} + number AS day) d
      JOIN ${sql.table(table)} ON staff_id = s.id AND weekday = extract(isodow FROM day)
      CROSS JOIN LATERAL (SELECT (day + starts_at) AT TIME ZONE s.time_zone AS begins, (day + ends_at) AT TIME ZONE s.time_zone AS ends) t
    WHERE begins < ends)`;
}
