import type { EntityManager } from '@mikro-orm/postgresql';
import { z } from 'zod';
import { badInput, type Context, type InputFields, type InputValues, isPlainLine } from '../../platform.ts';
import type {
  Appointment,
  BlockedTime,
  Break,
  Service,
  ServiceCategory,
  StaffMember,
  WorkingHours,
} from './bookings.entity.ts';

const MAX_NAME = 200;
const MAX_NOTE = 2000;

const name = {
  maxLength: MAX_NAME,
  schema: z
    .string()
    .trim()
    .refine(
      (text) => text !== '' && text.length <= MAX_NAME && isPlainLine(text),
      `Names have 1 to ${MAX_NAME} characters, all on one line`,
    ),
};

const note = { maxLength: MAX_NOTE, schema: z.string().trim().max(MAX_NOTE) };

const minutes = z.number().int().min(5, 'It must be 5 minutes or more').max(1440, 'It must be 24 hours or less');

/** What clients write of a category. */
export const categoryInput: InputFields<ServiceCategory> = { name };

/** What clients write of a service. */
export const serviceInput: InputFields<Service> = {
  category: {},
  name,
  durationMinutes: { description: 'From 5 to 1440.', schema: minutes },
  slotMinutes: {
    description: 'How many minutes lie between the beginnings of free slots. From 5 to 1440.',
    defaultValue: 15,
    schema: minutes,
  },
};

/** What clients write of a staff member. */
export const staffInput: InputFields<StaffMember> = {
  name,
  timeZone: { description: 'An IANA time zone, such as Europe/Berlin.', maxLength: 64 },
};

/**
 * Checks that the database knows the time zone.
 * @throws {AppError} BAD_USER_INPUT
 */
export async function checkTimeZone(
  values: InputValues<StaffMember>,
  _context: Context,
  _stored: StaffMember | undefined,
  em: EntityManager,
): Promise<InputValues<StaffMember>> {
  const { timeZone } = values;
  if (timeZone === undefined) return values;
  const known = await em
    .getKysely<{ pg_timezone_names: { name: string } }>()
    .selectFrom('pg_timezone_names')
    .select('name')
    .where('name', '=', timeZone)
    .executeTakeFirst();
  if (known) return values;
  throw badInput(
    'timeZone',
    `There is no time zone ${JSON.stringify(timeZone)}. Use an IANA name, such as Europe/Berlin.`,
  );
}

const clock = {
  maxLength: 5,
  schema: z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$|^24:00$/, 'It must be a time such as 09:30, from 00:00 to 24:00'),
};

const week = {
  weekday: {
    description: 'From 1 for Monday to 7 for Sunday.',
    schema: z.number().int().min(1).max(7, 'The weekday must be from 1 for Monday to 7 for Sunday'),
  },
  startsAt: { ...clock, description: "In the staff member's time zone, such as 09:00." },
  endsAt: { ...clock, description: 'On the same day; 24:00 at the latest.' },
} satisfies InputFields<WorkingHours>;

/** What clients write of working hours and breaks when they change them. */
export const weeklyChange: InputFields<WorkingHours & Break> = week;

/** What clients write of new working hours and breaks. */
export const weeklyInput: InputFields<WorkingHours & Break> = { staff: {}, ...week };

/** What clients write of a blocked time when they change it. */
export const blockedTimeChange: InputFields<BlockedTime> = { startsAt: {}, endsAt: {}, reason: note };

/** What clients write of a new blocked time. */
export const blockedTimeInput: InputFields<BlockedTime> = { staff: {}, ...blockedTimeChange };

/** What clients write of an appointment when they change it; its time is changed by rescheduling. */
export const appointmentChange: InputFields<Appointment> = { customer: name, note };

/** What clients write of a new appointment. */
export const appointmentInput: InputFields<Appointment> = {
  service: {},
  staff: {},
  startsAt: { description: 'A whole minute, such as the beginning of a free slot.' },
  ...appointmentChange,
};
