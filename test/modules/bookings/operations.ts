import type { Operation } from '../../support/access-matrix.ts';

const nowhere = '00000000-0000-4000-8000-000000000000';

const read = (text: string): Operation => ({ text: `{ ${text} }`, scope: 'tenantMember' });

/** A mutation of services and staff, with a code where it asks for what is not there. */
const plan = (text: string, code?: string): Operation => ({
  text: `mutation { ${text} }`,
  scope: 'tenantAdmin',
  permission: 'services:write',
  ...(code !== undefined && { code }),
});

const book = (text: string): Operation => ({
  text: `mutation { ${text} }`,
  scope: 'tenantMember',
  permission: 'bookings:write',
  code: 'NOT_FOUND',
});

const tomorrow = `${new Date(Date.now() + 86_400_000).toISOString().slice(0, 16)}:00Z`;
const week = `staff: "${nowhere}", weekday: 1, startsAt: "09:00", endsAt: "10:00"`;
const times = 'startsAt: "2030-01-01T00:00:00Z", endsAt: "2030-01-02T00:00:00Z"';
const range = 'from: "2030-01-01T00:00:00Z", to: "2030-01-02T00:00:00Z"';

/** The operations of the module, for the matrix of access. */
export const table: Readonly<Record<string, Operation>> = {
  'Query.serviceCategory': read(`serviceCategory(id: "${nowhere}") { name }`),
  'Query.serviceCategories': read('serviceCategories { totalCount }'),
  'Query.service': read(`service(id: "${nowhere}") { name }`),
  'Query.services': read('services { totalCount }'),
  'Query.staffMember': read(`staffMember(id: "${nowhere}") { name }`),
  'Query.staffMembers': read('staffMembers { totalCount }'),
  'Query.appointment': read(`appointment(id: "${nowhere}") { customer }`),
  'Query.appointments': read('appointments { totalCount }'),
  'Query.freeSlots': { ...read(`freeSlots(service: "${nowhere}", ${range}) { startsAt }`), code: 'NOT_FOUND' },
  'Mutation.createServiceCategory': plan('createServiceCategory(input: { name: "category $n" }) { id }'),
  'Mutation.updateServiceCategory': plan(
    `updateServiceCategory(id: "${nowhere}", input: { name: "x" }) { id }`,
    'NOT_FOUND',
  ),
  'Mutation.deleteServiceCategory': plan(`deleteServiceCategory(id: "${nowhere}")`),
  'Mutation.createService': plan(
    `createService(input: { category: "${nowhere}", name: "x", durationMinutes: 60 }) { id }`,
    'BAD_USER_INPUT',
  ),
  'Mutation.updateService': plan(`updateService(id: "${nowhere}", input: { name: "x" }) { id }`, 'NOT_FOUND'),
  'Mutation.deleteService': plan(`deleteService(id: "${nowhere}")`),
  'Mutation.createStaffMember': plan('createStaffMember(input: { name: "staff $n", timeZone: "UTC" }) { id }'),
  'Mutation.updateStaffMember': plan(`updateStaffMember(id: "${nowhere}", input: { name: "x" }) { id }`, 'NOT_FOUND'),
  'Mutation.deleteStaffMember': plan(`deleteStaffMember(id: "${nowhere}")`),
  'Mutation.createWorkingHours': plan(`createWorkingHours(input: { ${week} }) { id }`, 'BAD_USER_INPUT'),
  'Mutation.updateWorkingHours': plan(
    `updateWorkingHours(id: "${nowhere}", input: { weekday: 2 }) { id }`,
    'NOT_FOUND',
  ),
  'Mutation.deleteWorkingHours': plan(`deleteWorkingHours(id: "${nowhere}")`),
  'Mutation.createBreak': plan(`createBreak(input: { ${week} }) { id }`, 'BAD_USER_INPUT'),
  'Mutation.updateBreak': plan(`updateBreak(id: "${nowhere}", input: { weekday: 2 }) { id }`, 'NOT_FOUND'),
  'Mutation.deleteBreak': plan(`deleteBreak(id: "${nowhere}")`),
  'Mutation.createBlockedTime': plan(
    `createBlockedTime(input: { staff: "${nowhere}", ${times} }) { id }`,
    'BAD_USER_INPUT',
  ),
  'Mutation.updateBlockedTime': plan(`updateBlockedTime(id: "${nowhere}", input: { ${times} }) { id }`, 'NOT_FOUND'),
  'Mutation.deleteBlockedTime': plan(`deleteBlockedTime(id: "${nowhere}")`),
  'Mutation.assignService': plan(`assignService(staff: "${nowhere}", service: "${nowhere}") { id }`, 'NOT_FOUND'),
  'Mutation.unassignService': plan(`unassignService(staff: "${nowhere}", service: "${nowhere}")`),
  'Mutation.bookAppointment': book(
    `bookAppointment(input: { service: "${nowhere}", staff: "${nowhere}", startsAt: "${tomorrow}", customer: "x" }) { id }`,
  ),
  'Mutation.updateAppointment': book(`updateAppointment(id: "${nowhere}", input: { customer: "x" }) { id }`),
  'Mutation.rescheduleAppointment': book(`rescheduleAppointment(id: "${nowhere}", startsAt: "${tomorrow}") { id }`),
  'Mutation.cancelAppointment': book(`cancelAppointment(id: "${nowhere}") { id }`),
};
