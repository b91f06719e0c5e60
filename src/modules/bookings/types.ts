import { entityType } from '../../platform.ts';
import { MAX_ASSIGNED } from './assign-services.ts';
import {
  Appointment,
  BlockedTime,
  Break,
  Service,
  ServiceCategory,
  StaffMember,
  WorkingHours,
} from './bookings.entity.ts';

/** `09:00:00` becomes `09:00`. */
const clockTime = (time: string) => time.slice(0, 5);

const week = {
  id: {},
  staff: {},
  weekday: { description: 'From 1 for Monday to 7 for Sunday.', filter: true, order: true },
  startsAt: { description: "In the staff member's time zone, such as 09:00.", show: clockTime, order: true },
  endsAt: { description: 'On the same day; 24:00 at the latest.', show: clockTime },
};

export const CategoryType = entityType(ServiceCategory, {
  description: 'A group of services.',
  fields: {
    id: { filter: true },
    name: { filter: true, order: true },
    services: { orderBy: { name: 'ASC' } },
  },
});

export const ServiceType = entityType(Service, {
  description: 'What customers book.',
  fields: {
    id: { filter: true },
    category: { filter: true },
    name: { filter: true, order: true },
    durationMinutes: { filter: true, order: true },
    slotMinutes: { description: 'How many minutes lie between the beginnings of free slots.' },
    staff: { description: 'Who performs it.', orderBy: { name: 'ASC' }, maxItems: MAX_ASSIGNED },
  },
});

export const StaffMemberType = entityType(StaffMember, {
  description: 'Somebody who performs services.',
  fields: {
    id: { filter: true },
    name: { filter: true, order: true },
    timeZone: { description: 'The IANA time zone in which working hours and breaks are meant.', filter: true },
    services: { orderBy: { name: 'ASC' }, maxItems: MAX_ASSIGNED },
    workingHours: { orderBy: { weekday: 'ASC', startsAt: 'ASC' } },
    breaks: { orderBy: { weekday: 'ASC', startsAt: 'ASC' } },
    blockedTimes: { orderBy: { startsAt: 'ASC' } },
    appointments: { orderBy: { startsAt: 'ASC' } },
  },
});

export const WorkingHoursType = entityType(WorkingHours, {
  description: 'Hours of each week in which a staff member works.',
  fields: week,
});

export const BreakType = entityType(Break, {
  description: 'A break in the working hours of each week.',
  fields: week,
});

export const BlockedTimeType = entityType(BlockedTime, {
  description: 'A time in which a staff member cannot be booked, such as a holiday.',
  fields: {
    id: {},
    staff: {},
    startsAt: { filter: true, order: true },
    endsAt: { filter: true, order: true },
    reason: {},
  },
});

export const AppointmentType = entityType(Appointment, {
  description: "A customer's appointment with a staff member.",
  fields: {
    id: { filter: true },
    service: { filter: true },
    staff: { filter: true },
    customer: { filter: true, order: true },
    note: {},
    startsAt: { filter: true, order: true },
    endsAt: { filter: true, order: true },
    bookedAt: { filter: true, order: true },
    cancelledAt: { description: 'A cancelled appointment takes no time.', filter: true },
    version: { description: 'Send it with updateAppointment, so that nobody overwrites the changes of others.' },
  },
});
