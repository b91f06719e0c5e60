import type { EntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { AppError } from '../../platform.ts';
import { availableSql } from './available-times.ts';
import { lockStaff } from './references.ts';

/**
 * Checks, after a change of the times in which a staff member can be booked, that all appointments to come still lie within
 * them. The lock of the staff member keeps new ones away until the transaction ends.
 * @throws {AppError} CONFLICT with the first appointment that does not
 */
export async function keepAppointments(em: EntityManager, staff: string): Promise<void> {
  await lockStaff(em, staff);
  const available = availableSql({ from: sql`a.starts_at`, to: sql`a.ends_at` });
  const { rows } = await sql<{ id: string; startsAt: string }>`
    SELECT a.id, to_char(a.starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"') AS "startsAt"
    FROM appointments a JOIN staff_members s ON s.id = a.staff_id
    WHERE s.id = ${staff} AND a.cancelled_at IS NULL AND a.starts_at > now()
      AND NOT ${available} @> tstzrange(a.starts_at, a.ends_at)
    ORDER BY a.starts_at LIMIT 1`.execute(em.getKysely());
  const [outside] = rows;
  if (!outside) return;
  throw new AppError(
    'CONFLICT',
    `The appointment at ${outside.startsAt} would be outside the times in which the staff member can be booked. Reschedule or cancel it first.`,
    { details: { appointment: outside.id } },
  );
}
