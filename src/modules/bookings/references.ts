import type { EntityClass } from '@mikro-orm/core';
import type { EntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { AppError, badInput, isUuid } from '../../platform.ts';
import type { Appointment, Service, StaffMember } from './bookings.entity.ts';

/**
 * Checks the form of an id from a client.
 * @param field the client's name for it
 * @throws {AppError} BAD_USER_INPUT
 */
export function checkId(field: string, id: string): void {
  if (!isUuid(id)) throw badInput(field, `${field} must be a UUID`);
}

/** The error for an id that nothing has. */
export function unknown(field: string, name: string, id: string): AppError {
  return new AppError('NOT_FOUND', `There is no ${name} ${id}`, { details: { field } });
}

/** @throws {AppError} NOT_FOUND */
export async function mustExist(
  em: EntityManager,
  entity: EntityClass<Appointment | Service | StaffMember>,
  field: string,
  id: string,
): Promise<void> {
  if ((await em.count(entity, { id })) === 0) throw unknown(field, entity.name, id);
}

/**
 * Locks staff members until the end of the transaction. Whoever writes appointments, or the times in which they are possible,
 * holds this lock, so that each sees what the others have written. It does not hinder those who only refer to the staff.
 * @throws {AppError} NOT_FOUND if any of them does not exist
 */
export async function lockStaff(em: EntityManager, ...ids: readonly string[]): Promise<void> {
  // Always in the same order, so that concurrent transactions cannot deadlock.
  const { rows } = await sql<{
    id: string;
  }>`SELECT id FROM staff_members WHERE id = ANY (${ids}) ORDER BY id FOR NO KEY UPDATE`.execute(em.getKysely());
  const missing = ids.find((id) => !rows.some((row) => row.id === id.toLowerCase()));
  if (missing !== undefined) throw unknown('staff', 'StaffMember', missing);
}
