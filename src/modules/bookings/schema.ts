import {
  builder,
  createField,
  deleteField,
  explainConstraint,
  listField,
  loadEntity,
  oneField,
  readEntity,
  updateField,
} from '../../platform.ts';
import { assignService, unassignService } from './assign-services.ts';
import { prepareBooking } from './book-appointment.ts';
import type { BlockedTime, Break, WorkingHours } from './bookings.entity.ts';
import { cancelAppointment, rescheduleAppointment } from './change-appointment.ts';
import { type FreeSlot, freeSlots, MAX_DAYS, MAX_SLOTS } from './free-slots.ts';
import {
  appointmentChange,
  appointmentInput,
  blockedTimeChange,
  blockedTimeInput,
  categoryInput,
  checkTimeZone,
  serviceInput,
  staffInput,
  weeklyChange,
  weeklyInput,
} from './inputs.ts';
import { keepAppointments } from './keep-appointments.ts';
import {
  AppointmentType,
  BlockedTimeType,
  BreakType,
  CategoryType,
  ServiceType,
  StaffMemberType,
  WorkingHoursType,
} from './types.ts';

const members = { authScopes: { tenantMember: true } };
const planners = { authScopes: { permission: 'services:write' } };
const bookers = { authScopes: { permission: 'bookings:write' } };

const FreeSlotType = builder.objectRef<FreeSlot>('FreeSlot').implement({
  description: 'A time at which a service can be booked.',
  fields: (t) => ({
    startsAt: t.expose('startsAt', { type: 'DateTime' }),
    endsAt: t.expose('endsAt', { type: 'DateTime' }),
    staff: t.field({
      type: StaffMemberType.ref,
      resolve: ({ staff }, _args, context, info) => loadEntity(StaffMemberType, context, info, staff),
    }),
  }),
});

builder.queryFields((t) => ({
  serviceCategory: oneField(t, CategoryType, members),
  serviceCategories: listField(t, CategoryType, { ...members, orderBy: { name: 'ASC' } }),
  service: oneField(t, ServiceType, members),
  services: listField(t, ServiceType, { ...members, orderBy: { name: 'ASC' } }),
  staffMember: oneField(t, StaffMemberType, members),
  staffMembers: listField(t, StaffMemberType, { ...members, orderBy: { name: 'ASC' } }),
  appointment: oneField(t, AppointmentType, members),
  appointments: listField(t, AppointmentType, {
    ...members,
    description: "The tenant's appointments, the earliest first, with the cancelled ones.",
    orderBy: { startsAt: 'ASC' },
  }),
  freeSlots: t.field({
    type: [FreeSlotType],
    description:
      'The times from now on at which a service can be booked, the earliest first. Further ones are found from the last one on.',
    ...members,
    args: {
      service: t.arg.id({ required: true }),
      staff: t.arg.id({ description: 'By default all who perform the service.' }),
      from: t.arg({ type: 'DateTime', required: true }),
      to: t.arg({ type: 'DateTime', required: true, description: `At most ${MAX_DAYS} days later than from.` }),
      first: t.arg.int({ required: true, defaultValue: 100, description: `From 1 to ${MAX_SLOTS}.` }),
    },
    maxItems: ({ first }) => Math.min(Math.max(first, 1), MAX_SLOTS),
    resolve: (_root, args, { tenant }) => freeSlots(tenant.em, args),
  }),
}));

/** How the times are written in which staff can be booked. */
const times = {
  ...planners,
  check: (em: Parameters<typeof keepAppointments>[0], { staff }: WorkingHours | Break | BlockedTime) =>
    keepAppointments(em, staff.id),
};

builder.mutationFields((t) => ({
  createServiceCategory: createField(t, CategoryType, { ...planners, input: categoryInput }),
  updateServiceCategory: updateField(t, CategoryType, { ...planners, input: categoryInput }),
  deleteServiceCategory: deleteField(t, CategoryType, planners),
  createService: createField(t, ServiceType, { ...planners, input: serviceInput }),
  updateService: updateField(t, ServiceType, { ...planners, input: serviceInput }),
  deleteService: deleteField(t, ServiceType, planners),
  createStaffMember: createField(t, StaffMemberType, { ...planners, input: staffInput, prepare: checkTimeZone }),
  updateStaffMember: updateField(t, StaffMemberType, {
    ...planners,
    input: staffInput,
    prepare: checkTimeZone,
    check: (em, { id }) => keepAppointments(em, id),
  }),
  deleteStaffMember: deleteField(t, StaffMemberType, planners),
  createWorkingHours: createField(t, WorkingHoursType, { ...times, input: weeklyInput }),
  updateWorkingHours: updateField(t, WorkingHoursType, { ...times, input: weeklyChange }),
  deleteWorkingHours: deleteField(t, WorkingHoursType, times),
  createBreak: createField(t, BreakType, { ...times, input: weeklyInput }),
  updateBreak: updateField(t, BreakType, { ...times, input: weeklyChange }),
  deleteBreak: deleteField(t, BreakType, times),
  createBlockedTime: createField(t, BlockedTimeType, { ...times, input: blockedTimeInput }),
  updateBlockedTime: updateField(t, BlockedTimeType, { ...times, input: blockedTimeChange }),
  deleteBlockedTime: deleteField(t, BlockedTimeType, times),
}));

const assignment = builder.args((t) => ({ staff: t.id({ required: true }), service: t.id({ required: true }) }));

builder.mutationFields((t) => ({
  assignService: t.field({
    type: StaffMemberType.ref,
    description: 'Lets a staff member perform a service.',
    ...planners,
    args: assignment,
    resolve: async (_root, args, context, info) => {
      await assignService(context.tenant.em, args);
      return readEntity(StaffMemberType, context, info, args.staff);
    },
  }),
  unassignService: t.boolean({
    description: 'Keeps a staff member from being booked for a service. Returns whether it had been assigned.',
    ...planners,
    args: assignment,
    resolve: (_root, args, { tenant }) => unassignService(tenant.em, args),
  }),
  bookAppointment: createField(t, AppointmentType, {
    description: 'Books an appointment. CONFLICT: the time is taken, or the staff member cannot be booked then.',
    ...bookers,
    input: appointmentInput,
    prepare: prepareBooking,
  }),
  updateAppointment: updateField(t, AppointmentType, { ...bookers, input: appointmentChange }),
  rescheduleAppointment: t.field({
    type: AppointmentType.ref,
    description:
      'Moves an appointment to another time, or to another staff member. It takes as long as its service takes now.',
    ...bookers,
    args: {
      id: t.arg.id({ required: true }),
      startsAt: t.arg({ type: 'DateTime', required: true }),
      staff: t.arg.id(),
    },
    resolve: async (_root, args, context, info) =>
      readEntity(AppointmentType, context, info, await rescheduleAppointment(context.tenant.em, args)),
  }),
  cancelAppointment: t.field({
    type: AppointmentType.ref,
    description: 'Cancels an appointment, so that its time is free.',
    ...bookers,
    args: { id: t.arg.id({ required: true }) },
    resolve: async (_root, { id }, context, info) =>
      readEntity(AppointmentType, context, info, await cancelAppointment(context.tenant.em, id)),
  }),
}));

explainConstraint('service_categories_name_key', 'There is a category with this name already');
explainConstraint('services_name_key', 'There is a service with this name already');
explainConstraint('appointments_service_id_fkey', 'The service has appointments', 'id');
explainConstraint('appointments_staff_id_fkey', 'The staff member has appointments', 'id');
explainConstraint('appointments_staff_id_excl', 'The staff member has another appointment at this time');
for (const table of ['working_hours', 'breaks']) {
  explainConstraint(`${table}_staff_id_excl`, 'It overlaps with others of this staff member on the same weekday');
  explainConstraint(`${table}_ends_at_check`, 'It must end on the same day, at least 5 minutes after it begins');
}
explainConstraint('blocked_times_ends_at_check', 'It must end after it begins');
