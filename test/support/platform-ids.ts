import type { IdCase } from './foreign-ids.ts';

const forAdmins = (text: string, ...of: string[]): IdCase => ({ text, of, code: 'FORBIDDEN' });
const references = ['tenant', 'slug'];

/** Every argument of the platform that takes an id, and others that name a tenant. */
export const platformIds: Record<string, IdCase> = {
  'Query.auditLog(tenant)': forAdmins('{ auditLog(tenant: "$id") { totalCount } }', ...references),
  'Query.checkpoints(tenant)': forAdmins('{ checkpoints(tenant: "$id") { id } }', ...references),
  'Query.migrationHistory(tenant)': forAdmins('{ migrationHistory(tenant: "$id") { totalCount } }', ...references),
  'Query.migrationPlan(input.tenants)': forAdmins(
    '{ migrationPlan(input: { tenants: ["$id"] }) { totalCount } }',
    ...references,
  ),
  'MigrationPlan.tenants(after)': forAdmins('{ migrationPlan { tenants(after: "$id") { pending } } }', ...references),
  'Query.migrationRun(id)': forAdmins('{ migrationRun(id: "$id") { id } }', 'run'),
  'Query.tenantTransfer(id)': forAdmins('{ tenantTransfer(id: "$id") { id } }', ...references),
  'Query.tenantTransfers(tenant)': forAdmins('{ tenantTransfers(tenant: "$id") { totalCount } }', ...references),
  'Mutation.moveTenant(input.tenant)': forAdmins(
    'mutation { moveTenant(input: { tenant: "$id", isolation: SCHEMA }) { id } }',
    ...references,
  ),
  'Mutation.cloneTenant(input.tenant)': forAdmins(
    'mutation { cloneTenant(input: { tenant: "$id", slug: "a-clone" }) { id } }',
    ...references,
  ),
  'Mutation.cloneTenant(input.checkpoint)': forAdmins(
    'mutation { cloneTenant(input: { checkpoint: "$id", slug: "a-clone" }) { id } }',
    'checkpoint',
  ),
  'Mutation.cancelTenantTransfer(id)': forAdmins('mutation { cancelTenantTransfer(id: "$id") { id } }', ...references),
  'Mutation.resumeTenantTransfer(id)': forAdmins('mutation { resumeTenantTransfer(id: "$id") { id } }', ...references),
  'Subscription.tenantTransferProgress(transfer)': forAdmins(
    'subscription { tenantTransferProgress(transfer: "$id") { seq } }',
    ...references,
  ),
  'Query.tenant(id)': forAdmins('{ tenant(id: "$id") { name } }', 'tenant'),
  'Query.tenant(slug)': forAdmins('{ tenant(slug: "$id") { name } }', 'slug'),
  'Mutation.acceptMigrationHash(tenant)': forAdmins(
    'mutation { acceptMigrationHash(tenant: "$id", migration: "x") { name } }',
    ...references,
  ),
  'Mutation.cancelMigrationRun(id)': forAdmins('mutation { cancelMigrationRun(id: "$id") { id } }', 'run'),
  'Mutation.resumeMigrationRun(id)': forAdmins('mutation { resumeMigrationRun(id: "$id") { id } }', 'run'),
  'Mutation.undoMigrationRun(id)': forAdmins('mutation { undoMigrationRun(id: "$id") { id } }', 'run'),
  'Mutation.rollbackMigrations(input.tenants)': forAdmins(
    'mutation { rollbackMigrations(input: { steps: 1, tenants: ["$id"] }) { id } }',
    ...references,
  ),
  'Mutation.runMigrations(input.tenants)': forAdmins(
    'mutation { runMigrations(input: { tenants: ["$id"] }) { id } }',
    ...references,
  ),
  'Mutation.runMigrations(input.canaries)': forAdmins(
    'mutation { runMigrations(input: { canaries: ["$id"] }) { id } }',
    ...references,
  ),
  'Mutation.resolveTenant(tenant)': forAdmins(
    'mutation { resolveTenant(tenant: "$id") { tenant { id } } }',
    ...references,
  ),
  'Mutation.updateTenant(input.id)': forAdmins(
    'mutation { updateTenant(input: { id: "$id", name: "x" }) { id } }',
    ...references,
  ),
  'Mutation.deleteTenant(id)': {
    text: 'mutation { deleteTenant(id: "$id", slug: "theirs") { id } }',
    of: references,
    code: 'TENANT_NOT_FOUND',
  },
  'Mutation.deleteTenant(slug)': {
    text: 'mutation { deleteTenant(id: "mine", slug: "$id") { id } }',
    of: ['slug'],
    code: 'BAD_USER_INPUT',
  },
  'Mutation.dropOldPlaces(tenant)': forAdmins('mutation { dropOldPlaces(tenant: "$id") { id } }', ...references),
  'Mutation.undeleteTenant(id)': forAdmins('mutation { undeleteTenant(id: "$id") { id } }', ...references),
  'Mutation.suspendTenant(id)': forAdmins('mutation { suspendTenant(id: "$id") { id } }', ...references),
  'Mutation.activateTenant(id)': forAdmins('mutation { activateTenant(id: "$id") { id } }', ...references),
  'Mutation.createCheckpoint(tenant)': forAdmins('mutation { createCheckpoint(tenant: "$id") { id } }', ...references),
  'Mutation.restoreCheckpoint(id)': forAdmins('mutation { restoreCheckpoint(id: "$id") { id } }', 'checkpoint'),
  'Mutation.deleteCheckpoint(id)': forAdmins('mutation { deleteCheckpoint(id: "$id") }', 'checkpoint'),
  'Mutation.updateWebhook(id)': forAdmins(
    'mutation { updateWebhook(id: "$id", input: { enabled: false }) { id } }',
    'webhook',
  ),
  'Mutation.deleteWebhook(id)': forAdmins('mutation { deleteWebhook(id: "$id") }', 'webhook'),
  'Mutation.redeliverWebhook(delivery)': forAdmins('mutation { redeliverWebhook(delivery: "$id") { id } }', 'delivery'),
  'Mutation.setPlatformAdmin(user)': forAdmins(
    'mutation { setPlatformAdmin(user: "$id", isPlatformAdmin: true) { id } }',
    'user',
  ),
  'Mutation.setUserActive(user)': forAdmins('mutation { setUserActive(user: "$id", active: false) { id } }', 'user'),
  'Subscription.migrationProgress(run)': forAdmins('subscription { migrationProgress(run: "$id") { seq } }', 'run'),
  'Mutation.login(input.tenant)': {
    text: 'mutation { login(input: { email: "owner@mine.example.com", password: "correct horse battery staple", tenant: "$id" }) { token } }',
    of: ['slug', 'tenant'],
    code: 'FORBIDDEN',
  },
  'Mutation.switchTenant(tenant)': {
    text: 'mutation { switchTenant(tenant: "$id") { token } }',
    of: references,
    code: 'FORBIDDEN',
  },
  'Mutation.addMember(input.tenant)': {
    text: 'mutation { addMember(input: { tenant: "$id", email: "owner@mine.example.com", role: OWNER }) { role } }',
    of: references,
    code: 'NOT_FOUND',
  },
  'Mutation.inviteMember(input.tenant)': {
    text: 'mutation { inviteMember(input: { tenant: "$id", email: "owner@mine.example.com", role: OWNER }) { role } }',
    of: references,
    code: 'NOT_FOUND',
  },
  'Query.invitations(tenant)': {
    text: '{ invitations(tenant: "$id") { email } }',
    of: references,
    code: 'NOT_FOUND',
  },
  'Mutation.revokeInvitation(id)': {
    text: 'mutation { revokeInvitation(id: "$id") }',
    of: ['invitation'],
    code: undefined,
  },
  'Mutation.setMemberRole(tenant)': {
    text: 'mutation { setMemberRole(tenant: "$id", user: "00000000-0000-4000-8000-000000000000", role: OWNER) { role } }',
    of: references,
    code: 'NOT_FOUND',
  },
  'Mutation.setMemberRole(user)': {
    text: 'mutation { setMemberRole(tenant: "mine", user: "$id", role: MEMBER) { role } }',
    of: ['user'],
    code: 'NOT_FOUND',
  },
  'Mutation.removeMember(tenant)': {
    text: 'mutation { removeMember(tenant: "$id", user: "00000000-0000-4000-8000-000000000000") }',
    of: references,
    code: 'NOT_FOUND',
  },
  'Mutation.removeMember(user)': {
    text: 'mutation { removeMember(tenant: "mine", user: "$id") }',
    of: ['user'],
    code: undefined,
  },
};
