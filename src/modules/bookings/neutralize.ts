import { type EntityManager, raw } from '@mikro-orm/postgresql';
import { Appointment, BlockedTime, StaffMember } from './bookings.entity.ts';

/** Masks who was booked with whom, and what people wrote, in a clone of a tenant. Times and services stay. */
export async function neutralize(em: EntityManager): Promise<void> {
  // Part of the id keeps them apart for those who test with the clone.
  const named = (noun: string) => raw(`'${noun} ' || left(id::text, 8)`);
  await em
    .createQueryBuilder(StaffMember)
    .update({ name: named('Staff member') })
    .execute();
  await em
    .createQueryBuilder(Appointment)
    .update({ customer: named('Customer'), note: null })
    .execute();
  await em.nativeUpdate(BlockedTime, {}, { reason: null });
}
