import { LockMode } from '@mikro-orm/core';
import type { EntityManager } from '@mikro-orm/postgresql';
import { AppError } from '../../platform.ts';
import { checkTime, findEnd, type Wish } from './book-appointment.ts';
import { Appointment } from './bookings.entity.ts';
import { checkId, lockStaff, unknown } from './references.ts';

/** Where an appointment is moved to. */
export interface Move extends Pick<Wish, 'startsAt'> {
  /** The appointment's id. */
  readonly id: string;
  /** The id of another staff member. */
  readonly staff?: string | null | undefined;
}

/**
 * Moves an appointment to another time, or to another staff member. It takes as long as its service takes now.
 * @throws {AppError} BAD_USER_INPUT, NOT_FOUND, CONFLICT if it is cancelled or the staff member cannot be booked at that time
 */
export function rescheduleAppointment(tenantEm: EntityManager, { id, startsAt, staff }: Move): Promise<Appointment> {
  if (staff != null) checkId('staff', staff);
  checkTime({ startsAt });
  return tenantEm.fork().transactional(async (em) => {
    const appointment = await lockAppointment(em, id);
    if (appointment.cancelledAt) throw new AppError('CONFLICT', 'The appointment is cancelled. Book a new one.');
    const now = appointment.staff.id;
    const wish = { service: appointment.service.id, staff: staff ?? now, startsAt };
    // Two appointments that change places would wait for each other.
    await lockStaff(em, now, wish.staff);
    return em.assign(appointment, { staff: wish.staff, startsAt, endsAt: await findEnd(em, wish) });
  });
}

/**
 * Cancels an appointment, so that its time is free. One that is cancelled already stays as it is.
 * @throws {AppError} BAD_USER_INPUT, NOT_FOUND
 */
export function cancelAppointment(tenantEm: EntityManager, id: string): Promise<Appointment> {
  return tenantEm.fork().transactional(async (em) => {
    const appointment = await lockAppointment(em, id);
    appointment.cancelledAt ??= new Date();
    return appointment;
  });
}

async function lockAppointment(em: EntityManager, id: string): Promise<Appointment> {
  checkId('id', id);
  const found = await em.findOne(Appointment, { id }, { lockMode: LockMode.PESSIMISTIC_WRITE });
  if (found) return found;
  throw unknown('id', 'Appointment', id);
}
