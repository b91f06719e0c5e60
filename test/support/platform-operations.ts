import { memberEmail, type Operation } from './access-matrix.ts';
import { password } from './accounts.ts';

/** Every operation of the platform, with arguments and a selection that its callers would send, and for whom it is. */
export const platformOperations: Record<string, Operation> = {
  'Query.server': { text: '{ server { name } }', scope: 'anyone' },
  'Query.health': { text: '{ health { status } }', scope: 'anyone' },
  'Query.timestamp': {
    text: '{ timestamp }',
    scope: 'anyone',
    // It is the clock of the tenant's database.
    codes: {
      'a member of a suspended tenant': 'TENANT_SUSPENDED',
      'an owner of a suspended tenant': 'TENANT_SUSPENDED',
    },
  },
  'Query.viewer': { text: '{ viewer { isPlatformAdmin } }', scope: 'anyone' },
  'Query.currencies': { text: '{ currencies { code } }', scope: 'anyone' },
  'Query.countries': { text: '{ countries { code } }', scope: 'anyone' },
  'Query.databases': { text: '{ databases { totalCount } }', scope: 'platformAdmin' },
  'Query.servers': { text: '{ servers { name } }', scope: 'platformAdmin' },
  'Query.tenants': { text: '{ tenants { totalCount } }', scope: 'platformAdmin' },
  'Query.tenant': { text: '{ tenant(slug: "acme") { id } }', scope: 'platformAdmin' },
  'Query.migrations': { text: '{ migrations { name } }', scope: 'platformAdmin' },
  'Query.migrationPlan': { text: '{ migrationPlan { totalCount } }', scope: 'platformAdmin' },
  'Query.migrationHistory': { text: '{ migrationHistory { totalCount } }', scope: 'platformAdmin' },
  'Query.migrationRuns': { text: '{ migrationRuns { totalCount } }', scope: 'platformAdmin' },
  'Query.migrationRun': {
    text: '{ migrationRun(id: "00000000-0000-4000-8000-000000000000") { id } }',
    scope: 'platformAdmin',
  },
  'Query.checkpoints': { text: '{ checkpoints(tenant: "acme") { id } }', scope: 'platformAdmin' },
  'Query.invitations': {
    text: '{ invitations(tenant: "acme") { id } }',
    scope: 'authenticated',
    codes: {
      'a stranger’s token': 'NOT_FOUND',
      'a stranger’s token at the host of a tenant': 'NOT_FOUND',
      'a token that is believed to be a member’s': 'FORBIDDEN',
      'a user without a tenant': 'NOT_FOUND',
      'a member of another tenant, at the host': 'NOT_FOUND',
      'a member of another tenant, whose token claims this one': 'NOT_FOUND',
      'a member': 'FORBIDDEN',
      'a member of a suspended tenant': 'NOT_FOUND',
      'an owner of a suspended tenant': 'NOT_FOUND',
    },
  },
  'Query.users': { text: '{ users { totalCount } }', scope: 'platformAdmin' },
  'Query.auditLog': { text: '{ auditLog { totalCount } }', scope: 'platformAdmin' },
  'Mutation.register': {
    text: 'mutation { register(input: { email: "x", password: "x", name: "x" }) { token } }',
    scope: 'anyone',
    code: 'BAD_USER_INPUT',
  },
  'Mutation.login': {
    text: `mutation { login(input: { email: "${memberEmail}", password: "${password}" }) { token } }`,
    scope: 'anyone',
  },
  'Mutation.refreshToken': {
    text: 'mutation { refreshToken(refreshToken: "x") { token } }',
    scope: 'anyone',
    code: 'UNAUTHENTICATED',
  },
  'Mutation.logout': { text: 'mutation { logout(refreshToken: "x") }', scope: 'anyone' },
  'Mutation.switchTenant': {
    text: 'mutation { switchTenant(tenant: "acme") { token } }',
    scope: 'user',
    codes: {
      'a user without a tenant': 'FORBIDDEN',
      'a member of another tenant, at the host': 'FORBIDDEN',
      'a member of another tenant, whose token claims this one': 'FORBIDDEN',
      'a member of a suspended tenant': 'FORBIDDEN',
      'an owner of a suspended tenant': 'FORBIDDEN',
    },
  },
  'Mutation.changePassword': {
    text: 'mutation { changePassword(input: { currentPassword: "x", newPassword: "x" }) }',
    scope: 'user',
    code: 'BAD_USER_INPUT',
  },
  'Mutation.setUserActive': {
    text: 'mutation { setUserActive(user: "x", active: true) { id } }',
    scope: 'platformAdmin',
    code: 'NOT_FOUND',
  },
  'Mutation.setPlatformAdmin': {
    text: 'mutation { setPlatformAdmin(user: "x", isPlatformAdmin: true) { id } }',
    scope: 'platformAdmin',
    code: 'NOT_FOUND',
  },
  'Mutation.addMember': {
    text: 'mutation { addMember(input: { tenant: "acme", email: "nobody@example.com", role: MEMBER }) { role } }',
    scope: 'authenticated',
    code: 'NOT_FOUND',
    codes: {
      'a member': 'FORBIDDEN',
      'a token that is believed to be a member’s': 'FORBIDDEN',
      'an admin of the tenant': 'allowed',
      'an owner': 'allowed',
      'a token that is believed to be an owner’s': 'allowed',
    },
  },
  'Mutation.inviteMember': {
    text: 'mutation { inviteMember(input: { tenant: "acme", email: "nobody@example.com", role: MEMBER }) { id } }',
    scope: 'authenticated',
    code: 'NOT_FOUND',
    codes: {
      'a member': 'FORBIDDEN',
      'a token that is believed to be a member’s': 'FORBIDDEN',
      'an admin of the tenant': 'allowed',
      'an owner': 'allowed',
      'a token that is believed to be an owner’s': 'allowed',
      'a platform admin': 'allowed',
      'a platform admin in a tenant': 'allowed',
    },
  },
  'Mutation.acceptInvitation': {
    text: 'mutation { acceptInvitation(token: "x") { token } }',
    scope: 'user',
    code: 'NOT_FOUND',
  },
  'Mutation.declineInvitation': { text: 'mutation { declineInvitation(token: "x") }', scope: 'user' },
  'Mutation.revokeInvitation': {
    text: 'mutation { revokeInvitation(id: "00000000-0000-4000-8000-000000000000") }',
    scope: 'authenticated',
  },
  'Mutation.setMemberRole': {
    text: 'mutation { setMemberRole(tenant: "acme", user: "x", role: MEMBER) { role } }',
    scope: 'authenticated',
    code: 'NOT_FOUND',
    codes: { 'a member': 'FORBIDDEN', 'a token that is believed to be a member’s': 'FORBIDDEN' },
  },
  'Mutation.removeMember': {
    text: 'mutation { removeMember(tenant: "acme", user: "x") }',
    scope: 'authenticated',
    code: 'NOT_FOUND',
    codes: {
      'a member': 'FORBIDDEN',
      'a token that is believed to be a member’s': 'FORBIDDEN',
      'an admin of the tenant': 'allowed',
      'an owner': 'allowed',
      'a token that is believed to be an owner’s': 'allowed',
      'a platform admin': 'allowed',
      'a platform admin in a tenant': 'allowed',
    },
  },
  'Mutation.createTenant': {
    text: 'mutation { createTenant(input: { slug: "x", name: "Too short" }) { slug } }',
    scope: 'tenantCreator',
    code: 'BAD_USER_INPUT',
  },
  'Mutation.runMigrations': {
    text: 'mutation { runMigrations(input: { tenants: ["nobody"] }) { id } }',
    scope: 'platformAdmin',
    code: 'NOT_FOUND',
  },
  'Mutation.rollbackMigrations': {
    text: 'mutation { rollbackMigrations(input: { steps: 1, tenants: ["nobody"] }) { id } }',
    scope: 'platformAdmin',
    code: 'NOT_FOUND',
  },
  'Mutation.undoMigrationRun': {
    text: 'mutation { undoMigrationRun(id: "00000000-0000-4000-8000-000000000000") { id } }',
    scope: 'platformAdmin',
    code: 'NOT_FOUND',
  },
  'Mutation.cancelMigrationRun': {
    text: 'mutation { cancelMigrationRun(id: "00000000-0000-4000-8000-000000000000") { id } }',
    scope: 'platformAdmin',
    code: 'NOT_FOUND',
  },
  'Mutation.resumeMigrationRun': {
    text: 'mutation { resumeMigrationRun(id: "00000000-0000-4000-8000-000000000000") { id } }',
    scope: 'platformAdmin',
    code: 'NOT_FOUND',
  },
  'Mutation.acceptMigrationHash': {
    text: 'mutation { acceptMigrationHash(migration: "nothing") { name } }',
    scope: 'platformAdmin',
    code: 'NOT_FOUND',
  },
  'Mutation.resolveTenant': {
    text: 'mutation { resolveTenant(tenant: "nobody") { tenant { id } } }',
    scope: 'platformAdmin',
    code: 'TENANT_NOT_FOUND',
  },
  'Mutation.updateTenant': {
    text: 'mutation { updateTenant(input: { id: "nobody", name: "x" }) { id } }',
    scope: 'platformAdmin',
    code: 'TENANT_NOT_FOUND',
  },
  'Mutation.deleteTenant': {
    text: 'mutation { deleteTenant(id: "acme", slug: "other") { id } }',
    scope: 'authenticated',
    code: 'TENANT_NOT_FOUND',
    codes: {
      'a member': 'FORBIDDEN',
      'an admin of the tenant': 'FORBIDDEN',
      'an owner': 'BAD_USER_INPUT',
      'a platform admin': 'BAD_USER_INPUT',
      'a platform admin in a tenant': 'BAD_USER_INPUT',
    },
  },
  'Mutation.suspendTenant': {
    text: 'mutation { suspendTenant(id: "nobody") { id } }',
    scope: 'platformAdmin',
    code: 'TENANT_NOT_FOUND',
  },
  'Mutation.activateTenant': {
    text: 'mutation { activateTenant(id: "nobody") { id } }',
    scope: 'platformAdmin',
    code: 'TENANT_NOT_FOUND',
  },
  'Mutation.createCheckpoint': {
    text: 'mutation { createCheckpoint(tenant: "acme", name: "") { id } }',
    scope: 'platformAdmin',
    code: 'BAD_USER_INPUT',
  },
  'Mutation.restoreCheckpoint': {
    text: 'mutation { restoreCheckpoint(id: "00000000-0000-4000-8000-000000000000") { id } }',
    scope: 'platformAdmin',
    code: 'NOT_FOUND',
  },
  'Mutation.deleteCheckpoint': {
    text: 'mutation { deleteCheckpoint(id: "00000000-0000-4000-8000-000000000000") }',
    scope: 'platformAdmin',
    code: 'NOT_FOUND',
  },
  'Subscription.migrationProgress': {
    text: 'subscription { migrationProgress(run: "x") { seq } }',
    scope: 'platformAdmin',
    code: 'BAD_USER_INPUT',
  },
};
