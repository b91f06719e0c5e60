import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { MemberRole } from '../../src/catalog/entities/membership.entity.ts';
import { accept, codeOf, login, type Person, password, register } from '../support/accounts.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startInstalledPostgres, type TestPostgres } from '../support/start-postgres.ts';

describe('members of a tenant', () => {
  let postgres: TestPostgres;
  /** Two servers of one installation. */
  let app: TestApp;
  let other: TestApp;
  let owner: Person;
  beforeAll(async () => {
    postgres = await startInstalledPostgres();
    const env = { ...postgres.env, DEFAULT_ISOLATION: 'schema', OWN_TENANTS: '20', INVITATION_LIMIT: '1000' };
    app = await startTestApp(env);
    other = await startTestApp(env);
    owner = await register(app, 'owner@example.com');
  });
  afterAll(async () => {
    await other[Symbol.asyncDispose]();
    await app[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  /** A tenant of the owner's alone, new for each test. */
  let slug: string;
  beforeEach(async () => {
    slug = `t-${randomUUID().slice(0, 8)}`;
    const created = await app.ask(
      `mutation { createTenant(input: { slug: "${slug}", name: "x" }) { id } }`,
      owner.headers,
    );
    expect(created.errors).toBeUndefined();
  });

  const somebody = () => register(app, `${randomUUID()}@example.com`);
  const inTenant = (person: Person) => login(app, person.email, password, slug);
  const add = (by: Person | undefined, email: string, role: MemberRole = 'MEMBER', tenant = slug) =>
    app.ask(
      `mutation { addMember(input: { tenant: "${tenant}", email: "${email}", role: ${role} }) { role isPending user { email } tenant { slug } } }`,
      by?.headers ?? app.admin,
    );
  const setRole = (by: Person | undefined, user: string, role: MemberRole) =>
    app.ask(
      `mutation { setMemberRole(tenant: "${slug}", user: "${user}", role: ${role}) { role } }`,
      by?.headers ?? app.admin,
    );
  const remove = (by: Person | undefined, user: string) =>
    app.ask(`mutation { removeMember(tenant: "${slug}", user: "${user}") }`, by?.headers ?? app.admin);
  const member = async (role: MemberRole = 'MEMBER') => {
    const person = await somebody();
    expect((await add(owner, person.email, role)).errors).toBeUndefined();
    await accept(app, person, slug);
    return person;
  };
  const members = async () => {
    const rows = await app.services.catalog.use((client) =>
      client.query(
        `SELECT email, role FROM memberships m JOIN users u ON u.id = user_id JOIN tenants t ON t.id = tenant_id WHERE slug = $1`,
        [slug],
      ),
    );
    return Object.fromEntries(rows.rows.map(({ email, role }) => [email, role]));
  };

  it('begin with its creator, who is the owner and has access at once', async () => {
    expect(await members()).toEqual({ [owner.email]: 'OWNER' });
    const inside = await inTenant(owner);
    expect(await app.ask('{ viewer { role tenant { slug } } products { totalCount } }', inside.headers)).toEqual({
      data: { viewer: { role: 'OWNER', tenant: { slug } }, products: { totalCount: 0 } },
    });
  });

  it('are added by platform admins, by address', async () => {
    const [one, two] = [await somebody(), await somebody()];
    expect(await add(undefined, one.email.toUpperCase())).toEqual({
      data: { addMember: { role: 'MEMBER', isPending: false, user: { email: one.email }, tenant: { slug } } },
    });
    expect(codeOf(await add(undefined, two.email, 'OWNER'))).toBeUndefined();
    for (const by of [owner, undefined]) expect(codeOf(await add(by, one.email, 'ADMIN'))).toBe('CONFLICT');
    expect(codeOf(await add(undefined, 'nobody@example.com'))).toBe('NOT_FOUND');
    expect(await members()).toMatchObject({ [one.email]: 'MEMBER', [two.email]: 'OWNER' });
  });

  it('are hidden from members, and from strangers, for whom the tenant does not exist', async () => {
    const [plain, stranger] = [await member(), await somebody()];
    for (const [by, code] of [
      [plain, 'FORBIDDEN'],
      [stranger, 'NOT_FOUND'],
    ] as const) {
      expect(codeOf(await add(by, stranger.email))).toBe(code);
      expect(codeOf(await setRole(by, plain.id, 'OWNER'))).toBe(code);
      expect(codeOf(await remove(by, owner.id))).toBe(code);
    }
    const someone = 'someone@example.com';
    const [foreign, missing] = [await add(stranger, someone), await add(stranger, someone, 'MEMBER', 'nowhere')];
    expect(foreign.errors?.[0]?.message.replace(slug, 'nowhere')).toBe(missing.errors?.[0]?.message);
    expect(Object.keys(await members())).toHaveLength(2);
  });

  it('that are admins leave owners alone, and make none', async () => {
    const [admin, plain] = [await member('ADMIN'), await member()];
    const newcomer = await somebody();
    expect(codeOf(await add(admin, newcomer.email, 'OWNER'))).toBe('FORBIDDEN');
    expect(codeOf(await setRole(admin, plain.id, 'OWNER'))).toBe('FORBIDDEN');
    expect(codeOf(await setRole(admin, admin.id, 'OWNER'))).toBe('FORBIDDEN');
    expect(codeOf(await setRole(admin, owner.id, 'MEMBER'))).toBe('FORBIDDEN');
    expect(codeOf(await remove(admin, owner.id))).toBe('FORBIDDEN');
    expect(await setRole(admin, plain.id, 'ADMIN')).toEqual({ data: { setMemberRole: { role: 'ADMIN' } } });
    expect(await remove(admin, plain.id)).toEqual({ data: { removeMember: true } });
  });

  it('keep the last owner, whoever tries to remove or demote that user', async () => {
    const plain = await member();
    for (const by of [owner, undefined]) {
      expect(codeOf(await remove(by, owner.id))).toBe('CONFLICT');
      expect(codeOf(await setRole(by, owner.id, 'ADMIN'))).toBe('CONFLICT');
    }
    await setRole(owner, plain.id, 'OWNER');
    expect(await remove(owner, owner.id)).toEqual({ data: { removeMember: true } });
    expect(await members()).toEqual({ [plain.email]: 'OWNER' });
  });

  it('keep one owner when the last two remove each other at once', async () => {
    const second = await member('OWNER');
    const answers = await Promise.all([remove(owner, second.id), remove(second, owner.id)]);
    expect(answers.map(codeOf).filter((code) => code === undefined)).toHaveLength(1);
    expect(Object.values(await members())).toEqual(['OWNER']);
  });

  it('may leave; the result is false if there is nobody to remove', async () => {
    const plain = await member();
    expect(await remove(plain, plain.id)).toEqual({ data: { removeMember: true } });
    expect(await remove(owner, plain.id)).toEqual({ data: { removeMember: false } });
    expect(await remove(owner, 'no id')).toEqual({ data: { removeMember: false } });
    expect(codeOf(await setRole(owner, plain.id, 'ADMIN'))).toBe('NOT_FOUND');
  });

  it('are out at once on every server when they are removed, though their tokens live', async () => {
    const plain = await inTenant(await member());
    const ask = (server: TestApp) => server.ask('{ products { totalCount } }', plain.headers);
    for (const server of [app, other]) expect(codeOf(await ask(server))).toBeUndefined();
    await remove(owner, plain.id);
    for (const server of [app, other]) {
      await vi.waitFor(async () => expect(codeOf(await ask(server))).toBe('FORBIDDEN'), 3_000);
    }
    expect(await app.ask('{ viewer { role tenant { slug } memberships { role } } }', plain.headers)).toEqual({
      data: { viewer: { role: null, tenant: null, memberships: [] } },
    });
    await add(undefined, plain.email);
    for (const server of [app, other]) {
      await vi.waitFor(async () => expect(codeOf(await ask(server))).toBeUndefined(), 3_000);
    }
  });

  it('are what their membership says, whatever their token claims', async () => {
    const plain = await member();
    const stranger = await somebody();
    const { tokens } = app.services;
    const claims = { tenant: slug, role: 'OWNER', platformAdmin: true, expiresIn: '1h' };
    const ask = async ({ id }: Person) =>
      app.ask('{ viewer { role isPlatformAdmin } products { totalCount } }', {
        authorization: `Bearer ${await tokens.issue({ ...claims, subject: id })}`,
      });
    expect((await ask(plain)).data).toMatchObject({ viewer: { role: 'MEMBER', isPlatformAdmin: false } });
    expect(codeOf(await ask(stranger))).toBe('FORBIDDEN');
  });

  it('see the members of their own tenants and of no others', async () => {
    const plain = await inTenant(await member());
    const text =
      '{ viewer { tenant { members { role user { email } } } memberships { tenant { members { role } } } } }';
    const { data } = await app.ask(text, plain.headers);
    expect(data).toMatchObject({ viewer: { memberships: [{ tenant: { members: [{}, {}] } }] } });
    expect(JSON.stringify(data)).toContain(owner.email);
    const stranger = await somebody();
    expect((await app.ask(text, stranger.headers)).data).toEqual({ viewer: { tenant: null, memberships: [] } });
  });

  it('are not needed by platform admins, whom another platform admin appoints and removes', async () => {
    const admin = await somebody();
    const make = (isAdmin: boolean) =>
      app.ask(`mutation { setPlatformAdmin(user: "${admin.id}", isPlatformAdmin: ${isAdmin}) { email } }`, app.admin);
    const ask = async () => codeOf(await other.ask('{ tenants { totalCount } }', admin.headers));
    expect(await ask()).toBe('FORBIDDEN');
    expect(await make(true)).toEqual({ data: { setPlatformAdmin: { email: admin.email } } });
    await vi.waitFor(async () => expect(await ask()).toBeUndefined(), 3_000);
    const inside = { ...admin.headers, 'x-tenant': slug };
    expect((await app.ask('{ viewer { role tenant { slug } } }', inside)).data).toEqual({
      viewer: { role: 'ADMIN', tenant: { slug } },
    });
    await make(false);
    await vi.waitFor(async () => expect(await ask()).toBe('FORBIDDEN'), 3_000);
  });
});

describe('tenants of users', () => {
  const create = (slug: string, more = '') =>
    `mutation { createTenant(input: { slug: "${slug}", name: "x"${more} }) { slug } }`;

  it('are as many as the setting says, also when they are created at once, and where it says', async () => {
    await using app = await startTestApp({ DEFAULT_ISOLATION: 'schema', OWN_TENANTS: '2' });
    const user = await register(app, 'a@example.com');
    for (const more of [', host: "x.example.com"', ', isolation: DATABASE', ', server: "default"']) {
      expect(codeOf(await app.ask(create('chosen', more), user.headers))).toBe('FORBIDDEN');
    }
    const answers = await Promise.all(['one', 'two', 'three', 'four'].map((it) => app.ask(create(it), user.headers)));
    expect(answers.map(codeOf).sort()).toEqual(['FORBIDDEN', 'FORBIDDEN', undefined, undefined]);
    expect(codeOf(await app.ask(create('taken'), app.admin))).toBeUndefined();
    expect(codeOf(await app.ask(create('taken'), (await register(app, 'b@example.com')).headers))).toBe('SLUG_TAKEN');
  });

  it('are none with OWN_TENANTS=0', async () => {
    await using app = await startTestApp({ DEFAULT_ISOLATION: 'schema', OWN_TENANTS: '0' });
    const user = await register(app, 'a@example.com');
    expect(codeOf(await app.ask(create('mine'), user.headers))).toBe('FORBIDDEN');
    expect(codeOf(await app.ask(create('mine'), app.admin))).toBeUndefined();
  });
});

describe('tokens that belong to no user', () => {
  it('are believed nothing that the settings do not say', async () => {
    await using app = await startTestApp({ TRUST_TENANT_CLAIM: 'no', TRUST_ADMIN_CLAIM: 'no' });
    expect(codeOf(await app.ask('{ products { totalCount } }', await app.tokenFor('acme')))).toBe('TENANT_REQUIRED');
    expect(codeOf(await app.ask('{ tenants { totalCount } }', app.admin))).toBe('FORBIDDEN');
    expect(codeOf(await app.ask('{ products { totalCount } }', { ...app.admin, 'x-tenant': 'acme' }))).toBe(
      'FORBIDDEN',
    );
  });
});
