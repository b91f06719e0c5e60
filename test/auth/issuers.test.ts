import { generateKeyPairSync, sign } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadTokenKeys } from '../../src/auth/tokens/keys.ts';
import { createTokens, type Tokens } from '../../src/auth/tokens/tokens.ts';
import { loadConfig } from '../../src/config/config.ts';
import { forge, hs256, now, part, rs256, unsigned } from '../support/forge-token.ts';
import { makeKey, startProvider, type TestProvider } from '../support/identity-provider.ts';

const [ownIssuer, audience] = ['https://tenantry.example', 'tenantry'];
const own = generateKeyPairSync('rsa', { modulusLength: 2048 });
// Both providers call their keys the same.
const [one, two] = [makeKey('key-1', 'rsa'), makeKey('key-1', 'rsa')];
const foreign = makeKey('key-1', 'rsa');

describe('tokens of several issuers', () => {
  let first: TestProvider;
  let second: TestProvider;
  let tokens: Tokens;
  beforeAll(async () => {
    first = await startProvider(one);
    second = await startProvider(two);
    const providers = [
      { issuer: first.issuer, url: first.jwksUrl, rolesClaim: 'https://app.example.com/claims.roles' },
      {
        issuer: second.issuer,
        url: second.jwksUrl,
        audience: ['third', 'second'],
        userClaim: 'user.id',
        tenantClaim: 'org.slug',
      },
    ];
    const { tokens: config } = loadConfig({
      JWT_PRIVATE_KEY: own.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      JWT_ISSUER: ownIssuer,
      JWT_AUDIENCE: `mobile, ${audience}`,
      JWT_JWKS_URL: JSON.stringify(providers),
    });
    tokens = createTokens(await loadTokenKeys(config.keys, 'unused'), config, pino({ level: 'silent' }));
  });
  afterAll(async () => {
    await first[Symbol.asyncDispose]();
    await second[Symbol.asyncDispose]();
  });

  const good = () => ({ iss: first.issuer, aud: audience, exp: now() + 600, sub: 'ada' });
  const header = { alg: 'RS256', kid: 'key-1' };
  const jwt = (payload: object) => forge(header, payload, rs256(one.privateKey));

  it('are good side by side, each with its own keys, audience and claims', async () => {
    const claims = { email: 'a@b.c', email_verified: true, name: 'Ada', tenant: 'acme' };
    const roles = { 'https://app.example.com/claims': { roles: ['offline', 'admin', 'ADMIN', 7] } };
    expect(await tokens.verify(jwt({ ...good(), ...claims, ...roles }))).toMatchObject({
      provider: { issuer: first.issuer, linkByEmail: false },
      subject: 'ada',
      email: 'a@b.c',
      emailVerified: true,
      name: 'Ada',
      tenant: 'acme',
      role: 'ADMIN',
      roles: ['offline', 'admin', 'ADMIN'],
      isPlatformAdmin: false,
    });
    const elsewhere = { aud: ['x', 'second'], sub: 'x', user: { id: 'ada' }, org: { slug: 'globex' }, role: 'OWNER' };
    expect(await tokens.verify(await second.token(two, elsewhere))).toMatchObject({
      provider: { issuer: second.issuer },
      subject: 'ada',
      tenant: 'globex',
      role: 'OWNER',
      emailVerified: false,
    });
    expect(await tokens.verify(jwt({ ...good(), aud: 'mobile' }))).toMatchObject({ subject: 'ada' });
    const mine = await tokens.issue({ subject: 'me', tenant: 'acme', role: 'OWNER', expiresIn: '1h' });
    expect(await tokens.verify(mine)).toMatchObject({ provider: undefined, subject: 'me', role: 'OWNER' });
  });

  it.each([() => first.issuer.slice(0, -1), () => 'https://evil.example.com/'])(
    'of an issuer that nobody knows are refused with its name, that a missing slash may be seen',
    async (issuer) => {
      const message = `The token's issuer "${issuer()}" is not one of this installation's identity providers`;
      const refusal = { code: 'UNAUTHENTICATED', message };
      const claims = { ...good(), iss: issuer() };
      await expect(tokens.verify(jwt(claims))).rejects.toMatchObject(refusal);
      // Also where our own key is for another algorithm than the token's.
      const otherwise = forge({ alg: 'HS256' }, claims, hs256('a secret of theirs'));
      await expect(tokens.verify(otherwise)).rejects.toMatchObject(refusal);
    },
  );

  it('are never of one of our sessions, whatever a provider says', async () => {
    const { session } = await tokens.verify(jwt({ ...good(), tenantry_session: crypto.randomUUID() }));
    expect(session).toBeUndefined();
  });

  const bad: Record<string, () => string> = {
    'without a signature, by “none”': () => forge({ alg: 'none', kid: 'key-1' }, good(), unsigned),
    'without a signature, by “NoNe”': () => forge({ alg: 'NoNe', kid: 'key-1' }, good(), unsigned),
    'without a signature, by its algorithm': () => forge(header, good(), unsigned),
    'signed with the provider’s public key as if it were a secret': () => {
      const pem = one.publicKey.export({ type: 'spki', format: 'pem' }).toString();
      return forge({ alg: 'HS256', kid: 'key-1' }, good(), hs256(pem));
    },
    'signed with the provider’s JWK as if it were a secret': () =>
      forge({ alg: 'HS256', kid: 'key-1' }, good(), hs256(JSON.stringify(one.jwk))),
    'signed with an empty secret': () => forge({ alg: 'HS256', kid: 'key-1' }, good(), hs256('')),
    'signed with a foreign key of the same id': () => forge(header, good(), rs256(foreign.privateKey)),
    'signed with the other provider’s key, which has the same id': () => forge(header, good(), rs256(two.privateKey)),
    'signed with our own key': () => forge(header, good(), rs256(own.privateKey)),
    'signed with our own key, without an id': () => forge({ alg: 'RS256' }, good(), rs256(own.privateKey)),
    'that says it is ours': () => jwt({ ...good(), iss: ownIssuer }),
    'that says it is the other provider’s': () => jwt({ ...good(), iss: second.issuer, aud: 'second' }),
    'that brings its own key': () => forge({ ...header, jwk: foreign.jwk }, good(), rs256(foreign.privateKey)),
    'that says where its key is': () =>
      forge({ ...header, jku: 'http://127.0.0.1:1/' }, good(), rs256(foreign.privateKey)),
    'whose key id is a path': () =>
      forge({ alg: 'RS256', kid: '../../../../dev/null' }, good(), rs256(foreign.privateKey)),
    'whose key id is an address': () =>
      forge({ alg: 'RS256', kid: 'http://127.0.0.1:1/keys' }, good(), rs256(foreign.privateKey)),
    'whose key id is no text': () => forge({ alg: 'RS256', kid: ['key-1'] }, good(), rs256(one.privateKey)),
    'of the same key but another algorithm than it is published for': () =>
      forge({ alg: 'RS512', kid: 'key-1' }, good(), (input) => sign('sha512', Buffer.from(input), one.privateKey)),
    'with a critical header that nobody knows': () =>
      forge({ ...header, crit: ['b64x'], b64x: true }, good(), rs256(one.privateKey)),
    'whose payload was changed afterwards': () =>
      jwt(good()).replace(/\.[^.]+\./, `.${part({ ...good(), sub: 'eve' })}.`),
    'that has expired': () => jwt({ ...good(), exp: now() - 60 }),
    'that never expires': () => jwt({ ...good(), exp: undefined }),
    'that is not valid yet': () => jwt({ ...good(), nbf: now() + 60 }),
    'of an issuer that nobody knows': () => jwt({ ...good(), iss: 'https://evil.example.com/' }),
    'of an issuer that is almost the same': () => jwt({ ...good(), iss: first.issuer.slice(0, -1) }),
    'of two issuers': () => jwt({ ...good(), iss: [first.issuer, second.issuer] }),
    'of an issuer with a name that objects have': () => jwt({ ...good(), iss: '__proto__' }),
    'of no issuer': () => jwt({ ...good(), iss: undefined }),
    'for another audience': () => jwt({ ...good(), aud: 'others' }),
    'for the other provider’s audience': () => jwt({ ...good(), aud: 'second' }),
    'for no audience': () => jwt({ ...good(), aud: undefined }),
    'whose tenant is a list': () => jwt({ ...good(), tenant: ['acme'] }),
  };
  it.each(Object.keys(bad))('are refused %s', async (name) => {
    await expect(tokens.verify(bad[name]?.() ?? '')).rejects.toMatchObject({
      name: 'AppError',
      code: name.startsWith('whose key id is a') ? 'SERVER_BUSY' : 'UNAUTHENTICATED',
      message: expect.stringMatching(/^The token/),
    });
  });
});
