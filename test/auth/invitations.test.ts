import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { MemberRole } from '../../src/catalog/entities/membership.entity.ts';
import { accept, acceptText, codeOf, invitationsOf, login, type Person, register } from '../support/accounts.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';

describe('invitations', () => {
  let app: TestApp;
  let owner: Person;
  beforeAll(async () => {
    app = await startTestApp({
      DEFAULT_ISOLATION: 'schema',
      OWN_TENANTS: '50',
      CREATE_TENANT_LIMIT: '100',
      INVITATION_LIMIT: '1000',
      SIGN_IN_LIMIT_ADDRESS: '1000',
    });
    owner = await register(app, 'owner@example.com');
  });
  afterAll(() => app[Symbol.asyncDispose]());

  /** A tenant of the owner's, new for each test. */
  let slug: string;
  beforeEach(async () => {
    slug = `t-${randomUUID().slice(0, 8)}`;
    const text = `mutation { createTenant(input: { slug: "${slug}", name: "Acme Ltd" }) { id } }`;
    expect((await app.ask(text, owner.headers)).errors).toBeUndefined();
  });

  const fields = '{ id email role token invitedBy createdAt expiresAt tenant { slug name } }';
  const somebody = () => register(app, `${randomUUID()}@example.com`);
  const invite = (by: Person | undefined, email: string, role: MemberRole = 'MEMBER') =>
    app.ask(
      `mutation { inviteMember(input: { tenant: "${slug}", email: "${email}", role: ${role} }) ${fields} }`,
      by?.headers ?? app.admin,
    );
  const add = (by: Person, email: string, role: MemberRole = 'MEMBER') =>
    app.ask(
      `mutation { addMember(input: { tenant: "${slug}", email: "${email}", role: ${role} }) { role isPending user { id email name } tenant { slug } } }`,
      by.headers,
    );
  const listed = async (by: Person | undefined = owner) => {
    const { data, errors } = await app.ask(`{ invitations(tenant: "${slug}") ${fields} }`, by?.headers ?? app.admin);
    expect(errors).toBeUndefined();
    // What the query asks for.
    return data?.invitations as { id: string; email: string; role: string; token: null; expiresAt: string }[];
  };
  const revoke = (by: Person, id = '') => app.ask(`mutation { revokeInvitation(id: "${id}") }`, by.headers);
  const decline = (by: Person, token = '') => app.ask(`mutation { declineInvitation(token: "${token}") }`, by.headers);
  const acceptBy = (by: Person, token = '') => app.ask(acceptText(token), by.headers);
  const joined = async (role: MemberRole) => {
    const person = await somebody();
    await invite(owner, person.email, role);
    return accept(app, person, slug);
  };
  const sql = (text: string, values: unknown[] = []) =>
    app.services.catalog.use(async (client) => (await client.query(text, values)).rows);

  it('are shown to the invited person, who accepts and is signed in to the tenant', async () => {
    const person = await somebody();
    expect((await invite(owner, person.email.toUpperCase(), 'ADMIN')).errors).toBeUndefined();
    const [invitation] = await invitationsOf(app, person);
    expect(invitation).toEqual({
      id: expect.any(String),
      token: expect.any(String),
      role: 'ADMIN',
      email: person.email,
      invitedBy: 'Somebody',
      tenant: { slug, name: 'Acme Ltd' },
    });
    const inside = await accept(app, person, slug);
    expect((await app.ask('{ viewer { role tenant { slug } } products { totalCount } }', inside.headers)).data).toEqual(
      {
        viewer: { role: 'ADMIN', tenant: { slug } },
        products: { totalCount: 0 },
      },
    );
    expect(await invitationsOf(app, person)).toEqual([]);
    expect(await listed()).toEqual([]);
    expect(codeOf(await acceptBy(person, invitation?.token))).toBe('NOT_FOUND');
  });

  it('are what addMember by an owner or admin makes, and says so', async () => {
    const [admin, person] = [await joined('ADMIN'), await somebody()];
    const answer = await add(admin, person.email);
    expect(answer).toEqual({
      data: {
        addMember: {
          role: 'MEMBER',
          isPending: true,
          user: { id: expect.any(String), email: person.email, name: person.email },
          tenant: { slug },
        },
      },
    });
    expect(JSON.stringify(answer)).not.toContain(person.id);
    expect(await invitationsOf(app, person)).toHaveLength(1);
  });

  it('are made and listed by owners, admins and platform admins; only owners invite owners', async () => {
    const [admin, member, stranger] = [await joined('ADMIN'), await joined('MEMBER'), await somebody()];
    for (const by of [owner, admin, undefined]) {
      expect(codeOf(await invite(by, `${randomUUID()}@example.com`))).toBeUndefined();
      expect((await listed(by)).length).toBeGreaterThan(0);
    }
    for (const [by, code] of [
      [member, 'FORBIDDEN'],
      [stranger, 'NOT_FOUND'],
    ] as const) {
      expect(codeOf(await invite(by, stranger.email))).toBe(code);
      expect(codeOf(await app.ask(`{ invitations(tenant: "${slug}") { id } }`, by.headers))).toBe(code);
    }
    expect(codeOf(await invite(admin, 'new@example.com', 'OWNER'))).toBe('FORBIDDEN');
    expect(codeOf(await invite(owner, 'new@example.com', 'OWNER'))).toBeUndefined();
    const toOwner = (await listed()).find(({ role }) => role === 'OWNER');
    expect(codeOf(await invite(admin, 'new@example.com', 'MEMBER'))).toBe('FORBIDDEN');
    expect(codeOf(await revoke(admin, toOwner?.id))).toBe('FORBIDDEN');
  });

  it('are refused for invalid addresses and for members', async () => {
    const member = await joined('MEMBER');
    expect(codeOf(await invite(owner, 'no address'))).toBe('BAD_USER_INPUT');
    expect(codeOf(await invite(owner, member.email.toUpperCase(), 'ADMIN'))).toBe('CONFLICT');
    expect(codeOf(await invite(owner, owner.email, 'ADMIN'))).toBe('CONFLICT');
  });

  it('are renewed, with the role, by a second one', async () => {
    const person = await somebody();
    await invite(owner, person.email);
    const [first] = await invitationsOf(app, person);
    await sql(`UPDATE invitations SET expires_at = now() + interval '1 day' WHERE id = $1`, [first?.id]);
    await invite(owner, person.email, 'ADMIN');
    const invitations = await invitationsOf(app, person);
    expect(invitations).toMatchObject([{ id: first?.id, role: 'ADMIN' }]);
    expect(Date.parse((await listed())[0]?.expiresAt ?? '') - Date.now()).toBeGreaterThan(13 * 86_400_000);
    expect(codeOf(await acceptBy(person, first?.token))).toBe('NOT_FOUND');
    expect(codeOf(await acceptBy(person, invitations[0]?.token))).toBeUndefined();
  });

  it('can be revoked, and are nothing from then on', async () => {
    const [person, stranger] = [await somebody(), await somebody()];
    await invite(owner, person.email);
    const [invitation] = await invitationsOf(app, person);
    expect(await revoke(stranger, invitation?.id)).toEqual({ data: { revokeInvitation: false } });
    expect(await revoke(person, invitation?.id)).toEqual({ data: { revokeInvitation: false } });
    expect(await revoke(owner, invitation?.id)).toEqual({ data: { revokeInvitation: true } });
    expect(await revoke(owner, invitation?.id)).toEqual({ data: { revokeInvitation: false } });
    expect(await invitationsOf(app, person)).toEqual([]);
    expect(codeOf(await acceptBy(person, invitation?.token))).toBe('NOT_FOUND');
  });

  it('expire', async () => {
    const person = await somebody();
    await invite(owner, person.email);
    const [invitation] = await invitationsOf(app, person);
    await sql(`UPDATE invitations SET expires_at = now() - interval '1 second' WHERE id = $1`, [invitation?.id]);
    expect(await invitationsOf(app, person)).toEqual([]);
    expect(await listed()).toEqual([]);
    expect(codeOf(await acceptBy(person, invitation?.token))).toBe('NOT_FOUND');
    expect(await decline(person, invitation?.token)).toEqual({ data: { declineInvitation: false } });
  });

  it('can be declined, which the inviter does not notice', async () => {
    const person = await somebody();
    await invite(owner, person.email);
    const before = await listed();
    const [invitation] = await invitationsOf(app, person);
    expect(await decline(person, invitation?.token)).toEqual({ data: { declineInvitation: true } });
    expect(await invitationsOf(app, person)).toEqual([]);
    expect(codeOf(await acceptBy(person, invitation?.token))).toBe('NOT_FOUND');
    expect(await listed()).toEqual(before);
    await invite(owner, person.email);
    expect(await invitationsOf(app, person)).toHaveLength(1);
  });

  it('can only be used by the invited person, whoever has the token', async () => {
    const [person, thief] = [await somebody(), await somebody()];
    await invite(owner, person.email);
    const [invitation] = await invitationsOf(app, person);
    for (const by of [thief, owner]) {
      expect(codeOf(await acceptBy(by, invitation?.token))).toBe('NOT_FOUND');
      expect(await decline(by, invitation?.token)).toEqual({ data: { declineInvitation: false } });
    }
    expect(await invitationsOf(app, person)).toHaveLength(1);
  });

  it('are not offered to who registers the address later, for nobody has checked that it is theirs', async () => {
    const email = `${randomUUID()}@example.com`;
    await invite(owner, email);
    const late = await register(app, email);
    expect(await invitationsOf(app, late)).toEqual([]);
    await invite(owner, email);
    expect(await invitationsOf(app, late)).toHaveLength(1);
  });

  it('by somebody who is removed or demoted are void, so that no accomplice comes in', async () => {
    for (const end of ['removed', 'demoted'] as const) {
      const [admin, accomplice] = [await joined('ADMIN'), await somebody()];
      await invite(admin, accomplice.email, 'ADMIN');
      const of = `tenant: "${slug}", user: "${admin.id}"`;
      const text = end === 'removed' ? `removeMember(${of})` : `setMemberRole(${of}, role: MEMBER) { role }`;
      expect((await app.ask(`mutation { ${text} }`, owner.headers)).errors).toBeUndefined();
      expect(await invitationsOf(app, accomplice), end).toEqual([]);
    }
  });

  it('are answered once, when acceptance and revocation come at the same moment', async () => {
    for (let round = 0; round < 5; round += 1) {
      const person = await somebody();
      await invite(owner, person.email);
      const [invitation] = await invitationsOf(app, person);
      const answers = await Promise.all([
        acceptBy(person, invitation?.token),
        acceptBy(person, invitation?.token),
        revoke(owner, invitation?.id),
      ]);
      const [one, two, revoked] = answers;
      const accepted = [one, two].filter((answer) => answer.errors === undefined).length;
      expect(accepted + Number(revoked.data?.revokeInvitation)).toBe(1);
      const members = await sql('SELECT role FROM memberships WHERE user_id = $1', [person.id]);
      expect(members).toHaveLength(accepted);
    }
  });

  it('are settled when a platform admin adds the person', async () => {
    const person = await somebody();
    await invite(owner, person.email, 'ADMIN');
    const input = `{ tenant: "${slug}", email: "${person.email}", role: MEMBER }`;
    await app.ask(`mutation { addMember(input: ${input}) { role } }`, app.admin);
    expect(await invitationsOf(app, person)).toEqual([]);
    expect((await login(app, person.email)).id).toBe(person.id);
  });

  it('go with their tenant', async () => {
    const person = await somebody();
    await invite(owner, person.email);
    const [invitation] = await invitationsOf(app, person);
    const text = `mutation { deleteTenant(id: "${slug}", slug: "${slug}") { slug } }`;
    expect((await app.ask(text, owner.headers)).errors).toBeUndefined();
    expect(await invitationsOf(app, person)).toEqual([]);
    expect(codeOf(await acceptBy(person, invitation?.token))).toBe('NOT_FOUND');
  });

  it('are at most 100 of one tenant, and make room when they are revoked', async () => {
    await sql(
      `INSERT INTO invitations (tenant_id, email, role, token, expires_at)
       SELECT id, n || '@many.example.com', 'MEMBER', id || '-' || n, now() + interval '1 day'
       FROM tenants, generate_series(1, 99) n WHERE slug = $1`,
      [slug],
    );
    expect(codeOf(await invite(owner, 'last@example.com'))).toBeUndefined();
    expect(codeOf(await invite(owner, 'beyond@example.com'))).toBe('CONFLICT');
    expect(codeOf(await invite(owner, 'last@example.com', 'ADMIN'))).toBeUndefined();
    const all = await listed();
    expect(all).toHaveLength(100);
    await revoke(owner, all[0]?.id);
    expect(codeOf(await invite(owner, 'beyond@example.com'))).toBeUndefined();
  });
});
