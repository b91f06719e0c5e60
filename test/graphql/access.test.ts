import type { GraphQLField } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildSchema } from '../../src/graphql/schema.ts';
import { password, register } from '../support/accounts.ts';
import { type Listening, listen } from '../support/listen.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';

type Scope = 'anyone' | 'authenticated' | 'user' | 'tenantMember' | 'tenantCreator' | 'platformAdmin';

const email = 'somebody@example.com';

interface Operation {
  readonly text: string;
  readonly scope: Scope;
  /** The code with which it refuses whom its scope lets through. */
  readonly beyond?: string;
}

/** Every operation, with arguments and a selection that its callers would send, and for whom it is. */
const operations: Record<string, Operation> = {
  'Query.server': { text: '{ server { name } }', scope: 'anyone' },
  'Query.health': { text: '{ health { status } }', scope: 'anyone' },
  'Query.timestamp': { text: '{ timestamp }', scope: 'anyone' },
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
  'Query.products': { text: '{ products { totalCount } }', scope: 'tenantMember' },
  'Query.auditLog': { text: '{ auditLog { totalCount } }', scope: 'platformAdmin' },
  'Mutation.register': {
    text: 'mutation { register(input: { email: "x", password: "x", name: "x" }) { token } }',
    scope: 'anyone',
  },
  'Mutation.login': {
    text: `mutation { login(input: { email: "${email}", password: "${password}" }) { token } }`,
    scope: 'anyone',
  },
  'Mutation.refreshToken': {
    text: 'mutation { refreshToken(refreshToken: "x") { token } }',
    scope: 'anyone',
    beyond: 'UNAUTHENTICATED',
  },
  'Mutation.logout': { text: 'mutation { logout(refreshToken: "x") }', scope: 'anyone' },
  'Mutation.switchTenant': { text: 'mutation { switchTenant(tenant: "acme") { token } }', scope: 'user' },
  'Mutation.changePassword': {
    text: 'mutation { changePassword(input: { currentPassword: "x", newPassword: "x" }) }',
    scope: 'user',
  },
  'Mutation.setUserActive': {
    text: 'mutation { setUserActive(user: "x", active: true) { id } }',
    scope: 'platformAdmin',
  },
  'Mutation.setPlatformAdmin': {
    text: 'mutation { setPlatformAdmin(user: "x", isPlatformAdmin: true) { id } }',
    scope: 'platformAdmin',
  },
  'Mutation.addMember': {
    text: 'mutation { addMember(input: { tenant: "nowhere", email: "x", role: MEMBER }) { role } }',
    scope: 'authenticated',
  },
  'Mutation.setMemberRole': {
    text: 'mutation { setMemberRole(tenant: "nowhere", user: "x", role: MEMBER) { role } }',
    scope: 'authenticated',
  },
  'Mutation.removeMember': {
    text: 'mutation { removeMember(tenant: "nowhere", user: "x") }',
    scope: 'authenticated',
  },
  'Mutation.createTenant': {
    text: 'mutation { createTenant(input: { slug: "other", name: "Other" }) { slug } }',
    scope: 'tenantCreator',
  },
  'Mutation.runMigrations': { text: 'mutation { runMigrations { id } }', scope: 'platformAdmin' },
  'Mutation.rollbackMigrations': {
    text: 'mutation { rollbackMigrations(input: { steps: 1, tenants: ["nobody"] }) { id } }',
    scope: 'platformAdmin',
  },
  'Mutation.undoMigrationRun': {
    text: 'mutation { undoMigrationRun(id: "00000000-0000-4000-8000-000000000000") { id } }',
    scope: 'platformAdmin',
  },
  'Mutation.cancelMigrationRun': {
    text: 'mutation { cancelMigrationRun(id: "00000000-0000-4000-8000-000000000000") { id } }',
    scope: 'platformAdmin',
  },
  'Mutation.resumeMigrationRun': {
    text: 'mutation { resumeMigrationRun(id: "00000000-0000-4000-8000-000000000000") { id } }',
    scope: 'platformAdmin',
  },
  'Mutation.acceptMigrationHash': {
    text: 'mutation { acceptMigrationHash(migration: "nothing") { name } }',
    scope: 'platformAdmin',
  },
  'Mutation.createCheckpoint': {
    text: 'mutation { createCheckpoint(tenant: "acme", name: "") { id } }',
    scope: 'platformAdmin',
  },
  'Mutation.restoreCheckpoint': {
    text: 'mutation { restoreCheckpoint(id: "00000000-0000-4000-8000-000000000000") { id } }',
    scope: 'platformAdmin',
  },
  'Mutation.deleteCheckpoint': {
    text: 'mutation { deleteCheckpoint(id: "00000000-0000-4000-8000-000000000000") }',
    scope: 'platformAdmin',
  },
  'Mutation.createProduct': {
    text: 'mutation { createProduct(input: { sku: "a", name: "a", price: "1.00", currency: "EUR" }) { sku } }',
    scope: 'tenantMember',
  },
  'Subscription.migrationProgress': {
    text: 'subscription { migrationProgress(run: "x") { seq } }',
    scope: 'platformAdmin',
  },
};

const schema = buildSchema();
const fields = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()].flatMap((type) =>
  Object.values(type?.getFields() ?? {}).map((field) => [`${type?.name}.${field.name}`, field] as const),
);

/** The scopes that a field was declared with. */
function scopesOf(field: GraphQLField<unknown, unknown>): unknown {
  // What Pothos keeps of the options that t.field() was given.
  const options = field.extensions.pothosOptions as { readonly authScopes?: unknown } | undefined;
  return options?.authScopes;
}

describe('the fields of Query, Mutation and Subscription', () => {
  it.each(fields)('declares who may use it: %s', (name, field) => {
    expect(operations[name], 'add it to the table of this test').toBeDefined();
    expect(scopesOf(field)).toEqual({ [operations[name]?.scope ?? '']: true });
  });

  it('are all in the table of this test, which has no other', () => {
    expect(Object.keys(operations).sort()).toEqual(fields.map(([name]) => name).sort());
  });
});

describe('who may do what', () => {
  let app: TestApp;
  let server: Listening;
  let callers: Record<string, Record<string, string>>;
  beforeAll(async () => {
    app = await startTestApp({ DEFAULT_ISOLATION: 'schema' });
    server = await listen(app.yoga);
    await app.ask(
      'mutation { createTenant(input: { slug: "acme", name: "Acme", host: "acme.example.com" }) { id } }',
      app.admin,
    );
    const user = await register(app, email);
    await app.services.catalog.use((client) =>
      client.query(`INSERT INTO memberships SELECT $1, id, 'OWNER' FROM tenants`, [user.id]),
    );
    const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
    const host = 'acme.example.com';
    callers = {
      nobody: {},
      'nobody, at the host of a tenant': { host },
      'somebody without a tenant': bearer(await app.services.tokens.issue({ subject: 'somebody', expiresIn: '1h' })),
      'somebody at the host of a tenant': {
        ...bearer(await app.services.tokens.issue({ subject: 'somebody', expiresIn: '1h' })),
        host,
      },
      'a member': await app.tokenFor('acme'),
      'a member whose token calls him owner': bearer(
        await app.services.tokens.issue({ tenant: 'acme', role: 'OWNER', expiresIn: '1h' }),
      ),
      'a user whose token names no tenant': user.headers,
      'a platform admin': app.admin,
      'a platform admin with a tenant': { ...app.admin, 'x-tenant': 'acme' },
    };
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await app[Symbol.asyncDispose]();
  });

  /** For each caller: the code with which each kind of operation is refused; undefined: it is let through. */
  const nobody: Record<Scope, string | undefined> = {
    anyone: undefined,
    authenticated: 'UNAUTHENTICATED',
    user: 'UNAUTHENTICATED',
    tenantMember: 'UNAUTHENTICATED',
    tenantCreator: 'UNAUTHENTICATED',
    platformAdmin: 'UNAUTHENTICATED',
  };
  const somebody = {
    ...nobody,
    authenticated: undefined,
    user: 'FORBIDDEN',
    tenantMember: 'TENANT_REQUIRED',
    tenantCreator: 'FORBIDDEN',
    platformAdmin: 'FORBIDDEN',
  };
  const refusals: Record<string, Record<Scope, string | undefined>> = {
    nobody,
    'nobody, at the host of a tenant': nobody,
    'somebody without a tenant': somebody,
    'somebody at the host of a tenant': { ...somebody, tenantMember: 'FORBIDDEN' },
    'a member': { ...somebody, tenantMember: undefined },
    'a member whose token calls him owner': { ...somebody, tenantMember: undefined },
    'a user whose token names no tenant': { ...somebody, user: undefined, tenantCreator: undefined },
    'a platform admin': { ...somebody, tenantCreator: undefined, platformAdmin: undefined },
    'a platform admin with a tenant': {
      ...somebody,
      tenantMember: undefined,
      tenantCreator: undefined,
      platformAdmin: undefined,
    },
  };

  /** What else may be wrong with the operations of the table, once they are let through. */
  const beyond = [undefined, 'BAD_USER_INPUT', 'CONFLICT', 'NOT_FOUND', 'SLUG_TAKEN'];

  it.each(
    Object.keys(refusals).flatMap((caller) => Object.keys(operations).map((operation) => [caller, operation] as const)),
  )('%s: %s', async (caller, operation) => {
    const { text, scope, ...rest } = operations[operation] ?? expect.unreachable(operation);
    const { status, code, body } = await server.post({ query: text }, callers[caller]);
    const refusal = refusals[caller]?.[scope];
    if (refusal) {
      expect({ code, status }).toEqual({ code: refusal, status: refusal === 'UNAUTHENTICATED' ? 401 : 200 });
      expect(Object.values(body.data ?? {}).every((value) => value === null)).toBe(true);
    } else {
      expect([...beyond, rest.beyond]).toContain(code);
    }
  });
});
