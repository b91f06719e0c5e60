import { type GraphQLField, type GraphQLSchema, isNonNullType } from 'graphql';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { declaredScopes } from '../../src/api/declared-scopes.ts';
import { join, register } from './accounts.ts';
import { type Listening, listen } from './listen.ts';
import { startTestApp, type TestApp } from './start-app.ts';

/** Whom an operation is for; `tenantAdmin` and `tenantMember` stand for permissions that those have at first. */
export type Scope =
  | 'anyone'
  | 'authenticated'
  | 'user'
  | 'tenantMember'
  | 'tenantAdmin'
  | 'tenantCreator'
  | 'platformAdmin';

/** An operation that all kinds of callers send. */
export interface Operation {
  /** `$n` stands for a number that was never used before. */
  readonly text: string;
  readonly scope: Scope;
  /** The permission that its field is declared with, if it is. */
  readonly permission?: string;
  /** The code for who is let through, for these arguments ask for what is not there; by default there is no error. */
  readonly code?: string;
  /** Callers that get another code than the rest of their kind. */
  readonly codes?: Readonly<Partial<Record<Caller, string>>>;
}

/** The address of the member among the callers, whose password is that of all accounts of tests. */
export const memberEmail = 'member@example.com';

const nobody: Record<Scope, string | undefined> = {
  anyone: undefined,
  authenticated: 'UNAUTHENTICATED',
  user: 'UNAUTHENTICATED',
  tenantMember: 'UNAUTHENTICATED',
  tenantAdmin: 'UNAUTHENTICATED',
  tenantCreator: 'UNAUTHENTICATED',
  platformAdmin: 'UNAUTHENTICATED',
};
const bearer = {
  ...nobody,
  authenticated: undefined,
  user: 'FORBIDDEN',
  tenantMember: 'TENANT_REQUIRED',
  tenantAdmin: 'TENANT_REQUIRED',
  tenantCreator: 'FORBIDDEN',
  platformAdmin: 'FORBIDDEN',
};
const user = { ...bearer, user: undefined, tenantCreator: undefined };
const platformAdmin = { ...bearer, tenantCreator: undefined, platformAdmin: undefined };
const member = { tenantMember: undefined, tenantAdmin: 'FORBIDDEN' };
const admin = { tenantMember: undefined, tenantAdmin: undefined };

/** For each caller: the code with which each kind of operation is refused; undefined: it is let through. */
const refusals = {
  nobody,
  'nobody, at the host of a tenant': nobody,
  'a deactivated user': { ...nobody, anyone: 'UNAUTHENTICATED' },
  'a stranger’s token': bearer,
  'a stranger’s token at the host of a tenant': { ...bearer, tenantMember: 'FORBIDDEN', tenantAdmin: 'FORBIDDEN' },
  'a token that is believed to be a member’s': { ...bearer, ...member },
  'a token that is believed to be an owner’s': { ...bearer, ...admin },
  'a user without a tenant': user,
  'a member of another tenant, at the host': { ...user, tenantMember: 'FORBIDDEN', tenantAdmin: 'FORBIDDEN' },
  'a member of another tenant, whose token claims this one': {
    ...user,
    tenantMember: 'FORBIDDEN',
    tenantAdmin: 'FORBIDDEN',
  },
  'a member': { ...user, ...member },
  'an admin of the tenant': { ...user, ...admin },
  'an owner': { ...user, ...admin },
  'a member of a suspended tenant': { ...user, tenantMember: 'TENANT_SUSPENDED', tenantAdmin: 'TENANT_SUSPENDED' },
  'an owner of a suspended tenant': { ...user, tenantMember: 'TENANT_SUSPENDED', tenantAdmin: 'TENANT_SUSPENDED' },
  'a platform admin': platformAdmin,
  'a platform admin in a tenant': { ...platformAdmin, ...admin },
} satisfies Record<string, Record<Scope, string | undefined>>;

/** Somebody who sends operations. */
export type Caller = keyof typeof refusals;

const callers = Object.keys(refusals) as Caller[];

/** The fields of Query, Mutation and Subscription, such as `Query.viewer`. */
export function rootFields(schema: GraphQLSchema): ReadonlyMap<string, GraphQLField<unknown, unknown>> {
  const types = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  return new Map(
    types.flatMap((type) =>
      Object.values(type?.getFields() ?? {}).map((field) => [`${type?.name}.${field.name}`, field] as const),
    ),
  );
}

/** Tests that a schema has exactly these operations, each declared with the scope that the table says. */
export function testDeclarations(schema: GraphQLSchema, operations: Readonly<Record<string, Operation>>): void {
  const fields = rootFields(schema);
  it('all declare who may use them, and are in the table of this test', () => {
    const declared = [...fields].map(([name, field]) => [name, declaredScopes(field)]);
    const expected = Object.entries(operations).map(([name, { scope, permission }]) => [
      name,
      permission === undefined ? { [scope]: true } : { permission },
    ]);
    expect(Object.fromEntries(declared)).toEqual(Object.fromEntries(expected));
  });

  // Where such a field is refused, the whole answer is null.
  it('of Query that cannot be null are for everybody, or for every member of a tenant', () => {
    const names = [...fields].filter(([name, { type }]) => name.startsWith('Query.') && isNonNullType(type));
    expect(names.length).toBeGreaterThan(3);
    const limited = names.filter(([name]) => !['anyone', 'tenantMember'].includes(operations[name]?.scope ?? ''));
    expect(limited.map(([name]) => name)).toEqual([]);
  });
}

/** Tests each operation with each kind of caller: that it is allowed, or refused with exactly the right code. */
export function testMatrix(operations: Readonly<Record<string, Operation>>): void {
  describe('who may do what', () => {
    let app: TestApp;
    let server: Listening;
    let headers: Record<Caller, Record<string, string>>;
    let count = 0;
    beforeAll(async () => {
      app = await startTestApp({ DEFAULT_ISOLATION: 'schema', SIGN_IN_LIMIT_ADDRESS: '1000' });
      server = await listen(app.yoga);
      headers = await prepareCallers(app);
    });
    afterAll(async () => {
      await server[Symbol.asyncDispose]();
      await app[Symbol.asyncDispose]();
    });

    it.each(Object.entries(operations))('%s', async (_name, { text, scope, code, codes }) => {
      const outcomes: Partial<Record<Caller, string>> = {};
      const expected: typeof outcomes = {};
      for (const caller of callers) {
        const answer = await server.post({ query: text.replace('$n', String(++count)) }, headers[caller]);
        outcomes[caller] = answer.code ?? 'allowed';
        expected[caller] = codes?.[caller] ?? refusals[caller][scope] ?? code ?? 'allowed';
        expect(answer.status, caller).toBe(answer.code === 'UNAUTHENTICATED' ? 401 : 200);
        if (answer.code) expect(Object.values(answer.body.data ?? {}).filter((value) => value !== null)).toEqual([]);
      }
      expect(outcomes).toEqual(expected);
    });
  });
}

async function prepareCallers(app: TestApp): Promise<Record<Caller, Record<string, string>>> {
  const host = 'acme.example.com';
  for (const input of [`slug: "acme", host: "${host}"`, 'slug: "asleep"', 'slug: "other"']) {
    const created = await app.ask(`mutation { createTenant(input: { ${input}, name: "x" }) { id } }`, app.admin);
    expect(created.errors).toBeUndefined();
  }
  const token = async (claims: { tenant?: string; role?: string }) => ({
    authorization: `Bearer ${await app.services.tokens.issue({ subject: 'somebody', ...claims, expiresIn: '1h' })}`,
  });
  const gone = await join(app, 'gone@example.com', 'acme', 'OWNER');
  const [sleeper, owner] = [
    await join(app, 'a@asleep.org', 'asleep', 'MEMBER'),
    await join(app, 'o@asleep.org', 'asleep', 'OWNER'),
  ];
  const stranger = await join(app, 'c@other.org', 'other', 'MEMBER');
  const callers = {
    nobody: {},
    'nobody, at the host of a tenant': { host },
    'a deactivated user': gone.headers,
    'a stranger’s token': await token({}),
    'a stranger’s token at the host of a tenant': { ...(await token({})), host },
    'a token that is believed to be a member’s': await token({ tenant: 'acme' }),
    'a token that is believed to be an owner’s': await token({ tenant: 'acme', role: 'OWNER' }),
    'a user without a tenant': (await register(app, 'alone@example.com')).headers,
    // Without a tenant of its own, for that would go before the host's.
    'a member of another tenant, at the host': {
      authorization: `Bearer ${await app.services.tokens.issue({ subject: stranger.id, expiresIn: '1h' })}`,
      host,
    },
    'a member of another tenant, whose token claims this one': {
      authorization: `Bearer ${await app.services.tokens.issue({ subject: stranger.id, tenant: 'acme', role: 'OWNER', platformAdmin: true, expiresIn: '1h' })}`,
    },
    'a member': (await join(app, memberEmail, 'acme', 'MEMBER')).headers,
    'an admin of the tenant': (await join(app, 'admin@example.com', 'acme', 'ADMIN')).headers,
    'an owner': (await join(app, 'owner@example.com', 'acme', 'OWNER')).headers,
    'a member of a suspended tenant': sleeper.headers,
    'an owner of a suspended tenant': owner.headers,
    'a platform admin': app.admin,
    'a platform admin in a tenant': { ...app.admin, 'x-tenant': 'acme' },
  };
  await app.services.catalog.use((client) =>
    client.query(`UPDATE tenants SET status = 'SUSPENDED' WHERE slug = 'asleep'`),
  );
  const off = `mutation { setUserActive(user: "${gone.id}", active: false) { id } }`;
  expect((await app.ask(off, app.admin)).errors).toBeUndefined();
  // The server learns of both by a notification.
  for (const { headers } of [gone, sleeper]) {
    await vi.waitFor(async () => expect((await app.ask('{ viewer { role } }', headers)).errors).toBeDefined(), 3_000);
  }
  return callers;
}
