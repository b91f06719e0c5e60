import { randomUUID } from 'node:crypto';
import { defineEntity, p } from '@mikro-orm/core';

const id = () =>
  p
    .uuid()
    .primary()
    .onCreate(() => randomUUID())
    .defaultRaw('gen_random_uuid()');

/** The table `service_categories` in each tenant's schema. */
export const ServiceCategorySchema = defineEntity({
  name: 'ServiceCategory',
  tableName: 'service_categories',
  schema: '*',
  properties: {
    id: id(),
    name: p.text().unique(),
    services: () => p.oneToMany(Service).mappedBy('category'),
  },
});

/** A group of services. */
export class ServiceCategory extends ServiceCategorySchema.class {}

ServiceCategorySchema.setClass(ServiceCategory);

/** The table `services` in each tenant's schema. */
export const ServiceSchema = defineEntity({
  name: 'Service',
  tableName: 'services',
  schema: '*',
  properties: {
    id: id(),
    category: () => p.manyToOne(ServiceCategory).ref().index('services_category_id_idx'),
    name: p.text().unique(),
    durationMinutes: p.integer().check('duration_minutes BETWEEN 5 AND 1440'),
    /** The distance of its free slots. */
    slotMinutes: p.integer().default(15).check('slot_minutes BETWEEN 5 AND 1440'),
    staff: () => p.manyToMany(StaffMember).mappedBy('services'),
  },
});

/** What customers book. */
export class Service extends ServiceSchema.class {}

ServiceSchema.setClass(Service);

/** The table `staff_members` in each tenant's schema. */
export const StaffMemberSchema = defineEntity({
  name: 'StaffMember',
  tableName: 'staff_members',
  schema: '*',
  properties: {
    id: id(),
    name: p.text(),
    /** The IANA time zone in which working hours and breaks are meant. */
    timeZone: p.text(),
    services: () =>
      p
        .manyToMany(Service)
        .owner()
        .pivotEntity(() => StaffService),
    workingHours: () => p.oneToMany(WorkingHours).mappedBy('staff'),
    breaks: () => p.oneToMany(Break).mappedBy('staff'),
    blockedTimes: () => p.oneToMany(BlockedTime).mappedBy('staff'),
    appointments: () => p.oneToMany(Appointment).mappedBy('staff'),
  },
});

/** Somebody who performs services. */
export class StaffMember extends StaffMemberSchema.class {}

StaffMemberSchema.setClass(StaffMember);

const ofStaff = () => p.manyToOne(StaffMember).ref().deleteRule('cascade').updateRule('no action');

/** The table `staff_services` in each tenant's schema. */
export const StaffServiceSchema = defineEntity({
  name: 'StaffService',
  tableName: 'staff_services',
  schema: '*',
  properties: {
    staff: () => ofStaff().primary(),
    service: () =>
      p
        .manyToOne(Service)
        .primary()
        .ref()
        .deleteRule('cascade')
        .updateRule('no action')
        .index('staff_services_service_id_idx'),
  },
});

/** Says that a staff member performs a service. */
export class StaffService extends StaffServiceSchema.class {}

StaffServiceSchema.setClass(StaffService);

/** A part of each week. It ends on the day on which it begins, at 24:00 at the latest. */
const weekly = () => ({
  id: id(),
  staff: () => ofStaff().index(false),
  /** From 1 for Monday to 7 for Sunday, as in ISO 8601. */
  weekday: p.smallint().check('weekday BETWEEN 1 AND 7'),
  startsAt: p.time(0),
  endsAt: p.time(0).check("ends_at - starts_at >= '00:05'"),
});

/** They don't overlap, so that the number of free slots of a day is limited. A day stands for the weekday. */
const separate = (table: string) => ({
  name: `${table}_staff_id_excl`,
  property: 'startsAt' as const,
  expression:
    "EXCLUDE USING gist (staff_id WITH =, weekday WITH =, tsrange(('2001-01-01'::date + starts_at), ('2001-01-01'::date + ends_at)) WITH &&)",
});

/** The table `working_hours` in each tenant's schema. */
export const WorkingHoursSchema = defineEntity({
  name: 'WorkingHours',
  tableName: 'working_hours',
  schema: '*',
  checks: [separate('working_hours')],
  properties: weekly(),
});

/** Hours of each week in which a staff member works. */
export class WorkingHours extends WorkingHoursSchema.class {}

WorkingHoursSchema.setClass(WorkingHours);

/** The table `breaks` in each tenant's schema. */
export const BreakSchema = defineEntity({
  name: 'Break',
  tableName: 'breaks',
  schema: '*',
  checks: [separate('breaks')],
  properties: weekly(),
});

/** A break of each week, within working hours. */
export class Break extends BreakSchema.class {}

BreakSchema.setClass(Break);

/** The table `blocked_times` in each tenant's schema. */
export const BlockedTimeSchema = defineEntity({
  name: 'BlockedTime',
  tableName: 'blocked_times',
  schema: '*',
  indexes: [{ name: 'blocked_times_staff_id_ends_at_idx', properties: ['staff', 'endsAt'] }],
  properties: {
    id: id(),
    staff: () => ofStaff().index(false),
    startsAt: p.datetime(3),
    endsAt: p.datetime(3).check('ends_at > starts_at'),
    reason: p.text().nullable(),
  },
});

/** A time in which a staff member cannot be booked, such as a holiday. */
export class BlockedTime extends BlockedTimeSchema.class {}

BlockedTimeSchema.setClass(BlockedTime);

/** The table `appointments` in each tenant's schema. */
export const AppointmentSchema = defineEntity({
  name: 'Appointment',
  tableName: 'appointments',
  schema: '*',
  indexes: [
    { name: 'appointments_starts_at_idx', properties: ['startsAt', 'id'] },
    { name: 'appointments_staff_id_starts_at_idx', properties: ['staff', 'startsAt', 'id'] },
  ],
  checks: [
    {
      name: 'appointments_staff_id_excl',
      property: 'startsAt',
      expression:
        'EXCLUDE USING gist (staff_id WITH =, tstzrange(starts_at, ends_at) WITH &&) WHERE ((cancelled_at IS NULL))',
    },
  ],
  properties: {
    id: id(),
    service: () => p.manyToOne(Service).ref().index('appointments_service_id_idx'),
    staff: () => p.manyToOne(StaffMember).ref().index(false),
    customer: p.text(),
    note: p.text().nullable(),
    startsAt: p.datetime(3),
    endsAt: p.datetime(3).check('ends_at > starts_at'),
    bookedAt: p.datetime(3).defaultRaw('now()'),
    /** A cancelled appointment takes no time. */
    cancelledAt: p.datetime(3).nullable(),
    version: p.integer().version().default(1),
  },
});

/** A customer's appointment with a staff member. */
export class Appointment extends AppointmentSchema.class {}

AppointmentSchema.setClass(Appointment);
