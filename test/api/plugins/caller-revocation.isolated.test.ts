import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { builder } from '../../../src/api/builder.ts';
import { join, type Person, register } from '../../support/accounts.ts';
import { eventually } from '../../support/eventually.ts';
import { buildTestSchema } from '../../support/product.ts';
import { createTenants } from '../../support/tenants.ts';
import { useServer } from '../../support/use-server.ts';

/** Sources that never end by themselves. */
async function* endless(): AsyncGenerator<string> {
  yield 'one';
  await new Promise<void>(() => {});
}
builder.subscriptionFields((t) => ({
  ofPlatform: t.string({ authScopes: { platformAdmin: true }, subscribe: endless, resolve: String }),
  ofMembers: t.string({ authScopes: { tenantMember: true }, subscribe: endless, resolve: String }),
  ofUsers: t.string({ authScopes: { user: true }, subscribe: endless, resolve: String }),
}));

describe('a subscription of a user', async () => {
  const used = useServer({ DEFAULT_ISOLATION: 'schema' }, { schema: await buildTestSchema() });
  let tenant: string;
  let atRest: number[];
  let count = 0;
  const listening = () => ['users', 'memberships'].map((name) => used.app.services.listener.handlerCount(name));
  beforeAll(async () => {
    const [made = expect.unreachable()] = await createTenants(used.app, ['SCHEMA']);
    tenant = made.slug;
    atRest = listening();
  });
  let ending = new AbortController();
  afterEach(() => {
    ending.abort();
    ending = new AbortController();
  });
  const open = async (field: string, { headers }: Person) => {
    const events = used.server.subscribe(`subscription { ${field} }`, headers, ending.signal);
    expect((await events.next()).value).toEqual({ data: { [field]: 'one' } });
    return events;
  };
  const admin = async (mutation: string) =>
    expect((await used.app.ask(`mutation { ${mutation} }`, used.app.admin)).errors).toBeUndefined();
  const address = () => `person-${++count}@example.com`;
  const member = () => join(used.app, address(), tenant, 'MEMBER');
  const platformAdmin = async () => {
    const person = await register(used.app, address());
    await admin(`setPlatformAdmin(user: "${person.id}", isPlatformAdmin: true) { id }`);
    const seen = async () => (await used.app.ask('{ viewer { isPlatformAdmin } }', person.headers)).data;
    await eventually('the server knows it', async () => JSON.stringify(await seen()).includes('true'));
    return person;
  };

  it('who is deactivated ends, and says why', async () => {
    const person = await register(used.app, address());
    const events = await open('ofUsers', person);
    await admin(`setUserActive(user: "${person.id}", active: false) { id }`);
    const extensions = { code: 'UNAUTHENTICATED' };
    expect((await events.next()).value).toMatchObject({
      errors: [{ message: 'The account is deactivated', extensions }],
    });
    expect(await events.next()).toEqual({ done: true, value: 'complete' });
  });

  it('who signs out ends, and those of other users go on', async () => {
    const person = await register(used.app, address());
    const other = await member();
    const [events, others] = [await open('ofUsers', person), await open('ofUsers', other)];
    const next = others.next();
    await used.app.ask(`mutation { logout(refreshToken: "${person.refreshToken}") }`);
    expect((await events.next()).value).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
    expect(await Promise.race([next, 'still open'])).toBe('still open');
    ending.abort();
    await expect(next).rejects.toThrow('abort');
  });

  it.each(['with', 'without'])('who is a platform admin no more ends, %s the header x-tenant', async (header) => {
    const { id, headers, ...person } = await platformAdmin();
    const inside = header === 'with' ? { 'x-tenant': tenant } : {};
    const events = await open('ofPlatform', { ...person, id, headers: { ...headers, ...inside } });
    await admin(`setPlatformAdmin(user: "${id}", isPlatformAdmin: false) { id }`);
    const message = 'You are no longer a platform admin.';
    expect((await events.next()).value).toMatchObject({ errors: [{ message, extensions: { code: 'FORBIDDEN' } }] });
    expect(await events.next()).toEqual({ done: true, value: 'complete' });
  });

  it.each([
    ['is removed from the tenant', ({ id }: Person) => `removeMember(tenant: "${tenant}", user: "${id}")`],
    [
      'gets another role',
      ({ id }: Person) => `setMemberRole(tenant: "${tenant}", user: "${id}", role: ADMIN) { role }`,
    ],
  ])('who %s ends, if it asked for the tenant', async (_what, change) => {
    const person = await member();
    const [events, others] = [await open('ofMembers', person), await open('ofUsers', person)];
    const next = others.next();
    await admin(change(person));
    expect((await events.next()).value).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] });
    expect(await events.next()).toEqual({ done: true, value: 'complete' });
    expect(await Promise.race([next, 'still open'])).toBe('still open');
    ending.abort();
    await expect(next).rejects.toThrow('abort');
  });

  it('leaves nobody listening when it is over', async () => {
    const person = await member();
    const events = await open('ofMembers', person);
    await admin(`removeMember(tenant: "${tenant}", user: "${person.id}")`);
    for (let event = await events.next(); !event.done; event = await events.next());
    await eventually('all have stopped listening', async () => String(listening()) === String(atRest));
  });
});
