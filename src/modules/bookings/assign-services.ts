import { LockMode } from '@mikro-orm/core';
import type { EntityManager } from '@mikro-orm/postgresql';
import { AppError } from '../../platform.ts';
import { Service, StaffService } from './bookings.entity.ts';
import { checkId, lockStaff, unknown } from './references.ts';

/** A staff member's id and a service's. */
export interface Assignment {
  readonly staff: string;
  readonly service: string;
}

/** The maximum number of services of a staff member, and of staff members of a service. */
export const MAX_ASSIGNED = 100;

/**
 * Lets a staff member perform a service.
 * @throws {AppError} BAD_USER_INPUT, NOT_FOUND, CONFLICT for too many
 */
export async function assignService(tenantEm: EntityManager, assignment: Assignment): Promise<void> {
  const { staff, service } = checked(assignment);
  await tenantEm.fork().transactional(async (em) => {
    await lockStaff(em, staff);
    const found = await em.findOne(Service, { id: service }, { lockMode: LockMode.PESSIMISTIC_WRITE });
    if (!found) throw unknown('service', 'Service', service);
    // The locks keep others from counting at the same time.
    const ofStaff = await em.count(StaffService, { staff, service: { $ne: service } });
    const ofService = await em.count(StaffService, { service, staff: { $ne: staff } });
    if (Math.max(ofStaff, ofService) >= MAX_ASSIGNED) {
      throw new AppError(
        'CONFLICT',
        `A staff member performs at most ${MAX_ASSIGNED} services, and a service has at most ${MAX_ASSIGNED} staff members`,
        { details: { field: ofStaff >= MAX_ASSIGNED ? 'staff' : 'service' } },
      );
    }
    await em.upsert(StaffService, { staff, service });
  });
}

/**
 * Keeps a staff member from being booked for a service. Appointments that are booked already stay.
 * @returns false if the staff member did not perform it
 * @throws {AppError} BAD_USER_INPUT
 */
export async function unassignService(tenantEm: EntityManager, assignment: Assignment): Promise<boolean> {
  return (await tenantEm.fork().nativeDelete(StaffService, checked(assignment))) > 0;
}

function checked({ staff, service }: Assignment): Assignment {
  checkId('staff', staff);
  checkId('service', service);
  return { staff, service };
}
