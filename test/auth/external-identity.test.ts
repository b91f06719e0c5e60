import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Passwords } from '../../src/auth/passwords.ts';
import { changePassword } from '../../src/auth/users.ts';
import { codeOf, loginText, password, register, registerText } from '../support/accounts.ts';
import { makeKey, startProvider, type TestProvider } from '../support/identity-provider.ts';
import { openTestApp, startTestApp, type TestApp } from '../support/start-app.ts';

const key = makeKey('key-1');
const trustedKey = makeKey('key-1');
const viewerQuery =
  '{ viewer { user { id email name } tenant { slug } role isPlatformAdmin memberships { role tenant { slug } } } }';

describe('a person of an identity provider', () => {
  let provider: TestProvider;
  /** One that is trusted with email addresses. */
  let trusted: TestProvider;
  let app: TestApp;
  beforeAll(async () => {
    provider = await startProvider(key);
    trusted = await startProvider(trustedKey);
    const list = [
      { issuer: provider.issuer, url: provider.jwksUrl, rolesClaim: 'roles' },
      { issuer: trusted.issuer, url: trusted.jwksUrl, linkByEmail: true },
    ];
    app = await startTestApp({
      DEFAULT_ISOLATION: 'schema',
      JWT_PRIVATE_KEY: generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      JWT_JWKS_URL: JSON.stringify(list),
      SIGN_UP: 'true',
    });
    const create = 'mutation { createTenant(input: { slug: "acme", name: "Acme" }) { id } }';
    expect((await app.ask(create, app.admin)).errors).toBeUndefined();
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
    await provider[Symbol.asyncDispose]();
    await trusted[Symbol.asyncDispose]();
  });

  const sql = (text: string, values: unknown[] = []) =>
    app.services.catalog.use(async (client) => (await client.query(text, values)).rows);
  const headers = async (claims: object, from = provider, signer = from === provider ? key : trustedKey) => ({
    authorization: `Bearer ${await from.token(signer, claims)}`,
  });
  const ask = async (claims: object, from = provider) => app.ask(viewerQuery, await headers(claims, from));
  const userOf = async (claims: object, from = provider) => {
    const { data, errors } = await ask(claims, from);
    expect(errors).toBeUndefined();
    // What `viewerQuery` asks for.
    return (data as { viewer: { user: { id: string; email: string; name: string } } }).viewer.user;
  };
  const verified = (sub: string, email: string) => ({ sub, email, email_verified: true });
  const deactivate = async (id: string) => {
    const off = `mutation { setUserActive(user: "${id}", active: false) { id } }`;
    expect(codeOf(await app.ask(off, app.admin))).toBeUndefined();
  };

  it('becomes a user at the first request, and is the same one from then on', async () => {
    const claims = { ...verified('auth0|ada', 'ada@example.com'), name: 'Ada' };
    const ada = await userOf(claims);
    expect(ada).toMatchObject({ email: 'ada@example.com', name: 'Ada' });
    expect(await userOf({ sub: 'auth0|ada', name: 'Renamed' })).toEqual(ada);
    expect(await sql('SELECT issuer, subject FROM user_identities WHERE user_id = $1', [ada.id])).toEqual([
      { issuer: provider.issuer, subject: 'auth0|ada' },
    ]);
    const { data } = await app.ask('{ auditLog(first: 1) { nodes { actor action details address } } }', app.admin);
    expect(data).toMatchObject({
      auditLog: {
        nodes: [{ actor: 'ada@example.com', action: 'linkIdentity', details: expect.stringContaining('auth0|ada') }],
      },
    });
  });

  it('is one user, however many first requests come at once, to however many servers', async () => {
    await using other = await openTestApp(app.services.config);
    const bearer = await headers(verified('racer', 'racer@example.com'));
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) => (index % 2 ? app : other).ask(viewerQuery, bearer)),
    );
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(answers[0]?.errors).toBeUndefined();
    expect(await sql(`SELECT FROM users WHERE email = 'racer@example.com'`)).toHaveLength(1);
    expect(
      await sql(`SELECT FROM audit_log WHERE action = 'linkIdentity' AND actor = 'racer@example.com'`),
    ).toHaveLength(1);
  });

  it('is another one at another provider, and for another subject with the same address', async () => {
    const one = await userOf({ sub: 'twin' });
    expect((await userOf({ sub: 'twin' }, trusted)).id).not.toBe(one.id);
    const claims = ['twin-1', 'twin-2'].map((sub) => verified(sub, 'twins@example.com'));
    const users = await Promise.all(claims.map((each) => userOf(each)));
    expect(users.map(({ email }) => email).sort()).toEqual(['', 'twins@example.com']);
  });

  it.each([
    ['no address', {}],
    ['an address that is not verified', { email: 'ceo@example.com', email_verified: false }],
    ['an address of which nothing is said', { email: 'ceo@example.com' }],
    ['something else than an address', { email: 'a zero \0 byte', email_verified: true }],
    ['a list of addresses', { email: ['ceo@example.com'], email_verified: true }],
  ])('with %s has none here', async (what, claims) => {
    expect(await userOf({ sub: `someone with ${what}`, ...claims })).toMatchObject({ email: '' });
    expect(await sql(`SELECT FROM users WHERE email = 'ceo@example.com'`)).toEqual([]);
  });

  it.each([
    ['no subject', {}],
    ['an empty subject', { sub: '' }],
    ['a subject that is a number', { sub: 7 }],
    ['a subject with a zero byte', { sub: 'a\0b' }],
    ['a subject with half a character', { sub: 'a\ud83d' }],
    ['an endless subject', { sub: 'x'.repeat(256) }],
  ])('with %s is refused', async (_what, claims) => {
    const { errors } = await ask(claims);
    expect(errors?.[0]).toMatchObject({ message: expect.stringMatching(/^The token's claim sub/) });
    expect(codeOf({ errors: errors ?? [] })).toBe('UNAUTHENTICATED');
  });

  it('with a subject that is a user’s id here is not that user', async () => {
    const victim = await register(app, 'victim@example.com');
    const user = await userOf({ sub: victim.id, tenantry_session: crypto.randomUUID() });
    expect(user.id).not.toBe(victim.id);
  });

  it('does not take over the account that has the same address', async () => {
    const local = await register(app, 'local@example.com');
    const { id, email } = await userOf(verified('thief', 'LOCAL@example.com'));
    expect(id).not.toBe(local.id);
    expect(email).toBe('');
    expect(codeOf(await app.ask(viewerQuery, local.headers))).toBeUndefined();
    expect(codeOf(await app.ask(loginText('local@example.com')))).toBeUndefined();
  });

  describe('whose provider is trusted with addresses', () => {
    it('gets the account with the address, and its creator can no longer sign in', async () => {
      const squatter = await register(app, 'owner@example.com');
      expect((await userOf(verified('owner', 'Owner@example.com'), trusted)).id).toBe(squatter.id);
      expect(codeOf(await app.ask(loginText('owner@example.com')))).toBe('UNAUTHENTICATED');
      const refresh = `mutation { refreshToken(refreshToken: "${squatter.refreshToken}") { token } }`;
      expect(codeOf(await app.ask(refresh))).toBe('UNAUTHENTICATED');
      await vi.waitFor(async () => {
        expect(codeOf(await app.ask(viewerQuery, squatter.headers))).toBe('UNAUTHENTICATED');
      });
      expect((await userOf({ sub: 'owner' }, trusted)).id).toBe(squatter.id);
    });

    it('keeps out the creator even if they change the password at that moment', async () => {
      const squatter = await register(app, 'slow@example.com');
      const claims = await app.services.tokens.verify(squatter.token);
      const identity = await app.services.authenticator.identify(claims, { address: undefined, requestId: undefined });
      const { catalog, passwords } = app.services.accounts;
      const slow: Passwords = {
        ...passwords,
        async hash(secret) {
          expect((await userOf(verified('slow', 'slow@example.com'), trusted)).id).toBe(squatter.id);
          return passwords.hash(secret);
        },
      };
      const change = changePassword({ catalog, passwords: slow }, identity, {
        currentPassword: password,
        newPassword: 'another password of theirs',
      });
      await expect(change).rejects.toMatchObject({ code: 'CONFLICT' });
      expect(await sql('SELECT password_hash FROM users WHERE id = $1', [squatter.id])).toEqual([
        { password_hash: null },
      ]);
    });

    it('does not get it for an address that is not verified', async () => {
      const local = await register(app, 'unproven@example.com');
      const claims = { sub: 'unproven', email: 'unproven@example.com', email_verified: 'false' };
      expect((await userOf(claims, trusted)).id).not.toBe(local.id);
    });

    it('does not get a platform admin’s', async () => {
      const admin = await register(app, 'admin@example.com');
      const make = `mutation { setPlatformAdmin(user: "${admin.id}", isPlatformAdmin: true) { id } }`;
      expect(codeOf(await app.ask(make, app.admin))).toBeUndefined();
      expect((await userOf(verified('admin', 'admin@example.com'), trusted)).id).not.toBe(admin.id);
      expect(codeOf(await app.ask(loginText('admin@example.com')))).toBeUndefined();
    });

    it('does not get a deactivated one, nor another in its place', async () => {
      const gone = await register(app, 'gone@example.com');
      await deactivate(gone.id);
      for (let attempt = 0; attempt < 2; attempt += 1) {
        const answer = await ask(verified('gone', 'gone@example.com'), trusted);
        expect(answer.errors?.[0]).toMatchObject({ message: 'The account is deactivated' });
        expect(codeOf(answer)).toBe('UNAUTHENTICATED');
      }
      expect(await sql(`SELECT FROM user_identities WHERE subject = 'gone'`)).toEqual([]);
      // And its password is still its own, for when it comes back.
      expect(await sql('SELECT FROM users WHERE id = $1 AND password_hash IS NOT NULL', [gone.id])).toHaveLength(1);
    });
  });

  it('who is deactivated stays out within seconds, with whatever token', async () => {
    const user = await userOf({ sub: 'leaver' });
    await deactivate(user.id);
    await vi.waitFor(async () => expect(codeOf(await ask({ sub: 'leaver' }))).toBe('UNAUTHENTICATED'), 3_000);
    expect(codeOf(await ask({ sub: 'leaver', name: 'A newer token' }))).toBe('UNAUTHENTICATED');
  });

  it('is in the tenant what the provider says, and what a membership here says before that', async () => {
    const place = async (claims: object) => (await ask({ sub: 'member', tenant: 'acme', ...claims })).data;
    expect(await place({})).toMatchObject({ viewer: { role: 'MEMBER', tenant: { slug: 'acme' }, memberships: [] } });
    expect(await place({ roles: ['viewer', 'ADMIN'] })).toMatchObject({ viewer: { role: 'ADMIN' } });
    // As Clerk says it, and no other spelling: the last one has a dotless i.
    expect(await place({ roles: ['member', 'admin'] })).toMatchObject({ viewer: { role: 'ADMIN' } });
    expect(await place({ roles: ['Admin', 'org:admin', 'adm\u0131n'] })).toMatchObject({ viewer: { role: 'MEMBER' } });
    const { id } = await userOf({ sub: 'member' });
    await sql(`INSERT INTO memberships (user_id, tenant_id, role) SELECT $1, id, 'OWNER' FROM tenants`, [id]);
    await vi.waitFor(async () => expect(await place({})).toMatchObject({ viewer: { role: 'OWNER' } }));
  });

  it('becomes a platform admin only when another one makes them one, not by a claim', async () => {
    const claims = { sub: 'boss', platform_admin: true };
    expect((await ask(claims)).data).toMatchObject({ viewer: { isPlatformAdmin: false } });
    const { id } = await userOf(claims);
    await app.ask(`mutation { setPlatformAdmin(user: "${id}", isPlatformAdmin: true) { id } }`, app.admin);
    await vi.waitFor(async () => {
      expect((await ask({ sub: 'boss' })).data).toMatchObject({ viewer: { isPlatformAdmin: true } });
    });
  });

  it('has no password here, and no session', async () => {
    await userOf(verified('nopass', 'nopass@example.com'));
    expect(codeOf(await app.ask(loginText('nopass@example.com')))).toBe('UNAUTHENTICATED');
    expect(codeOf(await app.ask(registerText('nopass@example.com')))).toBe('CONFLICT');
    const bearer = await headers({ sub: 'nopass' });
    expect(codeOf(await app.ask('mutation { switchTenant(tenant: "acme") { token } }', bearer))).toBe('FORBIDDEN');
    const change = `mutation { changePassword(input: { currentPassword: "", newPassword: "${password}" }) }`;
    expect(codeOf(await app.ask(change, bearer))).toBe('BAD_USER_INPUT');
  });
});
