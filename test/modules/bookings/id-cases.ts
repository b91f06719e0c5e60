import type { IdCase } from '../../support/foreign-ids.ts';

const tomorrow = `${new Date(Date.now() + 86_400_000).toISOString().slice(0, 16)}:00Z`;
const range = 'from: "2030-01-01T00:00:00Z", to: "2030-01-02T00:00:00Z"';
const week = 'weekday: 1, startsAt: "09:00", endsAt: "10:00"';
const times = 'startsAt: "2030-01-01T00:00:00Z", endsAt: "2030-01-02T00:00:00Z"';

const one = (of: string, text: string, code?: string): IdCase => ({ of: [of], text, code });
const change = (of: string, text: string, code?: string): IdCase => one(of, `mutation { ${text} }`, code);

/** The arguments of the module that take an id. */
export const table: Readonly<Record<string, IdCase>> = {
  'Query.serviceCategory(id)': one('category', '{ serviceCategory(id: "$id") { name } }'),
  'Query.service(id)': one('service', '{ service(id: "$id") { name } }'),
  'Query.staffMember(id)': one('staff', '{ staffMember(id: "$id") { name } }'),
  'Query.appointment(id)': one('appointment', '{ appointment(id: "$id") { customer } }'),
  'Query.freeSlots(service)': one('service', `{ freeSlots(service: "$id", ${range}) { startsAt } }`, 'NOT_FOUND'),
  'Query.freeSlots(staff)': one(
    'staff',
    `{ freeSlots(service: "$own_service", staff: "$id", ${range}) { startsAt } }`,
    'NOT_FOUND',
  ),
  'Mutation.updateServiceCategory(id)': change(
    'category',
    'updateServiceCategory(id: "$id", input: { name: "x" }) { id }',
    'NOT_FOUND',
  ),
  'Mutation.deleteServiceCategory(id)': change('category', 'deleteServiceCategory(id: "$id")'),
  'Mutation.createService(input.category)': change(
    'category',
    'createService(input: { category: "$id", name: "x", durationMinutes: 60 }) { id }',
    'BAD_USER_INPUT',
  ),
  'Mutation.updateService(id)': change('service', 'updateService(id: "$id", input: { name: "x" }) { id }', 'NOT_FOUND'),
  'Mutation.updateService(input.category)': change(
    'category',
    'updateService(id: "$own_service", input: { category: "$id" }) { id }',
    'BAD_USER_INPUT',
  ),
  'Mutation.deleteService(id)': change('service', 'deleteService(id: "$id")'),
  'Mutation.updateStaffMember(id)': change(
    'staff',
    'updateStaffMember(id: "$id", input: { name: "x" }) { id }',
    'NOT_FOUND',
  ),
  'Mutation.deleteStaffMember(id)': change('staff', 'deleteStaffMember(id: "$id")'),
  'Mutation.createWorkingHours(input.staff)': change(
    'staff',
    `createWorkingHours(input: { staff: "$id", ${week} }) { id }`,
    'BAD_USER_INPUT',
  ),
  'Mutation.updateWorkingHours(id)': change(
    'hours',
    'updateWorkingHours(id: "$id", input: { weekday: 2 }) { id }',
    'NOT_FOUND',
  ),
  'Mutation.deleteWorkingHours(id)': change('hours', 'deleteWorkingHours(id: "$id")'),
  'Mutation.createBreak(input.staff)': change(
    'staff',
    `createBreak(input: { staff: "$id", ${week} }) { id }`,
    'BAD_USER_INPUT',
  ),
  'Mutation.updateBreak(id)': change('break', 'updateBreak(id: "$id", input: { weekday: 2 }) { id }', 'NOT_FOUND'),
  'Mutation.deleteBreak(id)': change('break', 'deleteBreak(id: "$id")'),
  'Mutation.createBlockedTime(input.staff)': change(
    'staff',
    `createBlockedTime(input: { staff: "$id", ${times} }) { id }`,
    'BAD_USER_INPUT',
  ),
  'Mutation.updateBlockedTime(id)': change(
    'blocked',
    'updateBlockedTime(id: "$id", input: { reason: "x" }) { id }',
    'NOT_FOUND',
  ),
  'Mutation.deleteBlockedTime(id)': change('blocked', 'deleteBlockedTime(id: "$id")'),
  'Mutation.assignService(staff)': change(
    'staff',
    'assignService(staff: "$id", service: "$own_service") { id }',
    'NOT_FOUND',
  ),
  'Mutation.assignService(service)': change(
    'service',
    'assignService(staff: "$own_staff", service: "$id") { id }',
    'NOT_FOUND',
  ),
  'Mutation.unassignService(staff)': change('staff', 'unassignService(staff: "$id", service: "$own_service")'),
  'Mutation.unassignService(service)': change('service', 'unassignService(staff: "$own_staff", service: "$id")'),
  'Mutation.bookAppointment(input.service)': change(
    'service',
    `bookAppointment(input: { service: "$id", staff: "$own_staff", startsAt: "${tomorrow}", customer: "x" }) { id }`,
    'NOT_FOUND',
  ),
  'Mutation.bookAppointment(input.staff)': change(
    'staff',
    `bookAppointment(input: { service: "$own_service", staff: "$id", startsAt: "${tomorrow}", customer: "x" }) { id }`,
    'NOT_FOUND',
  ),
  'Mutation.updateAppointment(id)': change(
    'appointment',
    'updateAppointment(id: "$id", input: { customer: "x" }) { id }',
    'NOT_FOUND',
  ),
  'Mutation.rescheduleAppointment(id)': change(
    'appointment',
    `rescheduleAppointment(id: "$id", startsAt: "${tomorrow}") { id }`,
    'NOT_FOUND',
  ),
  'Mutation.rescheduleAppointment(staff)': change(
    'staff',
    `rescheduleAppointment(id: "$own_appointment", startsAt: "${tomorrow}", staff: "$id") { id }`,
    'NOT_FOUND',
  ),
  'Mutation.cancelAppointment(id)': change('appointment', 'cancelAppointment(id: "$id") { id }', 'NOT_FOUND'),
};
