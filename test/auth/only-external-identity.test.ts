import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { codeOf, invitationsOf, loginText, registerText } from '../support/accounts.ts';
import { makeKey, startProvider, type TestProvider } from '../support/identity-provider.ts';
import { type Listening, listen } from '../support/listen.ts';
import { openTestApp, startTestApp, type TestApp } from '../support/start-app.ts';

const key = makeKey('key-1');

describe('an installation whose people all sign in at an identity provider', () => {
  let provider: TestProvider;
  let app: TestApp;
  let server: Listening;
  beforeAll(async () => {
    provider = await startProvider(key);
    app = await startTestApp({
      DEFAULT_ISOLATION: 'schema',
      JWT_JWKS_URL: provider.jwksUrl,
      JWT_ISSUER: provider.issuer,
      TRUST_TENANT_CLAIM: 'no',
      TRUST_ADMIN_CLAIM: 'yes',
    });
    server = await listen(app.yoga);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await app[Symbol.asyncDispose]();
    await provider[Symbol.asyncDispose]();
  });
  const bearer = async (claims: object, signer = key) => ({
    authorization: `Bearer ${await provider.token(signer, claims)}`,
  });

  it('lets nobody sign up or sign in, and says where they do', async () => {
    for (const text of [registerText('a@example.com'), loginText('a@example.com')]) {
      const { errors } = await app.ask(text);
      expect(errors?.[0]).toMatchObject({
        message: 'Local sign-in is disabled. Sign in with the identity provider.',
        extensions: { code: 'FORBIDDEN' },
      });
    }
  });

  it('publishes no keys', async () => {
    expect(JSON.parse((await server.get('/.well-known/jwks.json')).text)).toEqual({ keys: [] });
  });

  it('can have its first platform admin from the provider, when the settings say so', async () => {
    const admin = await bearer({ sub: 'root', platform_admin: true });
    const create = 'mutation { createTenant(input: { slug: "acme", name: "Acme" }) { id } }';
    expect((await app.ask(create, admin)).errors).toBeUndefined();
  });

  it('lets only members into a tenant, when the provider is not trusted with that', async () => {
    const stranger = await bearer({ sub: 'stranger', tenant: 'acme', role: 'OWNER' });
    expect(codeOf(await app.ask('{ products { totalCount } }', stranger))).toBe('FORBIDDEN');
    const add = (user: string) =>
      `mutation { addMember(input: { tenant: "acme", email: "${user}", role: MEMBER }) { role } }`;
    expect(codeOf(await app.ask(add('nobody@example.com'), stranger))).toBe('NOT_FOUND');
    const member = await bearer({ sub: 'm', tenant: 'acme', email: 'm@example.com', email_verified: true });
    await app.ask('{ viewer { role } }', member);
    expect((await app.ask(add('m@example.com'), await bearer({ sub: 'root', platform_admin: true }))).errors).toBe(
      undefined,
    );
    await vi.waitFor(async () => {
      expect(codeOf(await app.ask('{ products { totalCount } }', member))).toBeUndefined();
    });
  });

  it('lets a person accept an invitation and keep using the provider’s token', async () => {
    const root = await bearer({ sub: 'root', platform_admin: true });
    const guest = await bearer({ sub: 'guest', tenant: 'acme', email: 'guest@example.com', email_verified: true });
    await app.ask('{ viewer { role } }', guest);
    const input = '{ tenant: "acme", email: "guest@example.com", role: ADMIN }';
    expect((await app.ask(`mutation { inviteMember(input: ${input}) { id } }`, root)).errors).toBeUndefined();
    const [invitation] = await invitationsOf(app, { headers: guest });
    const fields = '{ token refreshToken viewer { role tenant { slug } user { email } } }';
    const text = `mutation { acceptInvitation(token: "${invitation?.token}") ${fields} }`;
    const viewer = { role: 'ADMIN', tenant: { slug: 'acme' }, user: { email: 'guest@example.com' } };
    expect(await app.ask(text, guest)).toEqual({ data: { acceptInvitation: { token: '', refreshToken: '', viewer } } });
    await vi.waitFor(async () => {
      expect(codeOf(await app.ask('{ products { totalCount } }', guest))).toBeUndefined();
    });
  });

  it('answers SERVER_BUSY while the keys of a token cannot be fetched', async () => {
    provider.answer((_request, response) => response.destroy());
    await using other = await openTestApp(app.services.config);
    await using there = await listen(other.yoga);
    const answer = await there.post({ query: '{ viewer { role } }' }, await bearer({ sub: 'root' }));
    expect(answer.body).toMatchObject({ errors: [{ extensions: { code: 'SERVER_BUSY', retryAfterMs: 5000 } }] });
    expect(answer.status).not.toBe(401);
    expect(codeOf(await app.ask('{ viewer { role } }', await bearer({ sub: 'root' })))).toBeUndefined();
  });
});
