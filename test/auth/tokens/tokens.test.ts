import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { decodeJwt, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { forge, hs256, now, part, rs256, unsigned } from '../../support/forge-token.ts';
import { type Listening, listen } from '../../support/listen.ts';
import { startTestApp, type TestApp } from '../../support/start-app.ts';
import { useServer } from '../../support/use-server.ts';

const [issuer, audience] = ['https://id.example.com', 'tenantry'];
const ours = generateKeyPairSync('rsa', { modulusLength: 2048 });
const foreign = generateKeyPairSync('rsa', { modulusLength: 2048 });
const publicPem = ours.publicKey.export({ type: 'spki', format: 'pem' }).toString();

/** The claims of a platform admin's token that is good. */
const good = () => ({ platform_admin: true, iss: issuer, aud: audience, exp: now() + 600 });

const jwt = (payload: object) => forge({ alg: 'RS256' }, payload, rs256(ours.privateKey));

describe('a token', () => {
  let app: TestApp;
  let server: Listening;
  beforeAll(async () => {
    app = await startTestApp({
      JWT_PUBLIC_KEY: publicPem,
      JWT_PRIVATE_KEY: ours.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      JWT_ISSUER: issuer,
      JWT_AUDIENCE: audience,
      TENANT_CLAIM: 'app_metadata.tenant',
    });
    server = await listen(app.yoga);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await app[Symbol.asyncDispose]();
  });

  const present = (authorization: string) =>
    server.post({ query: '{ server { version } viewer { isPlatformAdmin } }' }, { authorization });

  it.each([
    ['with all that is asked for', jwt(good())],
    ['for several audiences, ours among them', jwt({ ...good(), aud: ['other', audience] })],
    [
      'that is valid as long as a platform admin’s may be',
      jwt({ ...good(), iat: now() - 3600, exp: now() + 23 * 3600 }),
    ],
    ['from a clock that is some seconds ahead', jwt({ ...good(), nbf: now() + 3 })],
  ])('is good %s', async (_name, token) => {
    for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
      expect((await present(`${scheme} ${token}`)).body.data).toMatchObject({ viewer: { isPlatformAdmin: true } });
    }
  });

  const bad: Record<string, string> = {
    'without a signature, by “none”': forge({ alg: 'none' }, good(), unsigned),
    'without a signature, by “NoNe”': forge({ alg: 'NoNe', typ: 'JWT' }, good(), unsigned),
    'without a signature, by our algorithm': forge({ alg: 'RS256' }, good(), unsigned),
    'signed with the public key as if it were a secret': forge({ alg: 'HS256' }, good(), hs256(publicPem)),
    'signed with the public key, trimmed, as a secret': forge({ alg: 'HS256' }, good(), hs256(publicPem.trim())),
    'signed with an empty secret': forge({ alg: 'HS256' }, good(), hs256('')),
    'signed with a foreign key': forge({ alg: 'RS256' }, good(), rs256(foreign.privateKey)),
    'that brings its own key': forge(
      { alg: 'RS256', jwk: foreign.publicKey.export({ format: 'jwk' }) },
      good(),
      rs256(foreign.privateKey),
    ),
    'that says where its key is': forge(
      { alg: 'RS256', jku: 'http://127.0.0.1:1/' },
      good(),
      rs256(foreign.privateKey),
    ),
    'whose key id is a path': forge({ alg: 'HS256', kid: '../../../../dev/null' }, good(), hs256('')),
    'with a critical header that nobody knows': forge(
      { alg: 'RS256', crit: ['b64x'], b64x: true },
      good(),
      rs256(ours.privateKey),
    ),
    'of the same key but another algorithm': forge({ alg: 'RS512' }, good(), (input) =>
      sign('sha512', Buffer.from(input), ours.privateKey),
    ),
    'whose payload was changed afterwards': jwt({ ...good(), platform_admin: false }).replace(
      /\.[^.]+\./,
      `.${part(good())}.`,
    ),
    'without an expiry': jwt({ ...good(), exp: undefined }),
    'without an expiry, of no platform admin': jwt({ ...good(), platform_admin: undefined, exp: undefined }),
    'of a platform admin, and valid for two days': jwt({ ...good(), iat: now(), exp: now() + 48 * 3600 }),
    'of a platform admin, near the end of two days': jwt({ ...good(), iat: now() - 47 * 3600, exp: now() + 3600 }),
    'of a platform admin, valid for two days, made in the future': jwt({
      ...good(),
      iat: now() + 47 * 3600,
      exp: now() + 48 * 3600,
    }),
    'of a platform admin, valid for two days from a time that it does not say': jwt({
      ...good(),
      exp: now() + 48 * 3600,
    }),
    'that has expired': jwt({ ...good(), exp: now() - 60 }),
    'that expires at no time': jwt({ ...good(), exp: 'never' }),
    'that is not valid yet': jwt({ ...good(), nbf: now() + 60 }),
    'of another issuer': jwt({ ...good(), iss: 'https://evil.example.com' }),
    'of no issuer': jwt({ ...good(), iss: undefined }),
    'for another audience': jwt({ ...good(), aud: 'others' }),
    'for no audience': jwt({ ...good(), aud: undefined }),
    'whose payload is a list': forge({ alg: 'RS256' }, [good()], rs256(ours.privateKey)),
    'whose payload is null': jwt(JSON.parse('null')),
    'that is garbage': 'garbage',
    'of dots': '..',
    'of many parts': 'a.b.c.d.e',
    'with letters that no token has': '💥.💥.💥',
    'that is large garbage': `e${'x'.repeat(12_000)}`,
  };

  it.each(Object.keys(bad))('is refused %s', async (name) => {
    // Node's client sends headers as latin1.
    const answer = await present(`Bearer ${Buffer.from(bad[name] ?? '', 'utf8').toString('latin1')}`);
    expect(answer).toMatchObject({ status: 401, code: 'UNAUTHENTICATED', headers: { 'www-authenticate': 'Bearer' } });
    expect(answer.body).toEqual({
      errors: [
        {
          message: expect.stringMatching(/^(The (token|header)|A platform admin's token)/),
          extensions: { code: 'UNAUTHENTICATED' },
        },
      ],
    });
    expect(answer.text).not.toMatch(/node_modules|\.ts|BEGIN|jose|JWS|JWK/);
  });

  it.each(['Basic dXNlcjpwYXNzd29yZA==', 'Bearer', 'Bearer  ', 'Token x', `Digest ${jwt(good())}`, jwt(good())])(
    'is not found in the header %.30s',
    async (authorization) => {
      expect(await present(authorization)).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
    },
  );

  it('is found after several spaces, and whatever the case of the scheme', async () => {
    for (const scheme of ['Bearer   ', 'bearer ', 'BEARER  ']) {
      expect(await present(`${scheme}${jwt(good())} `)).toMatchObject({ status: 200, code: undefined });
    }
  });

  it('says what is wrong where that helps', async () => {
    const reason = async (payload: object) =>
      (await present(`Bearer ${jwt({ ...good(), ...payload })}`)).body.errors?.[0]?.message;
    expect(await reason({ exp: now() - 60 })).toBe('The token has expired');
    expect(await reason({ aud: 'others' })).toContain('aud');
    expect(await reason({ iss: 'x' })).toContain('iss');
    expect(await reason({ nbf: now() + 60 })).toContain('nbf');
  });

  it.each([
    [true, true],
    ['true', false],
    [1, false],
    [['x'], false],
    [{}, false],
    [null, false],
  ])('with platform_admin %j makes a platform admin: %j', async (claim, expected) => {
    const { body } = await present(`Bearer ${jwt({ ...good(), platform_admin: claim })}`);
    expect(body.data).toMatchObject({ viewer: { isPlatformAdmin: expected } });
  });

  it('that we make holds what was asked for, where the settings say', async () => {
    const subject = randomUUID();
    const token = await app.services.tokens.issue({ subject, tenant: 'acme', role: 'OWNER', expiresIn: '2h' });
    const claims = decodeJwt(token);
    expect(claims).toMatchObject({
      sub: subject,
      app_metadata: { tenant: 'acme' },
      role: 'OWNER',
      iss: issuer,
      aud: audience,
    });
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(7200);
    expect(claims.platform_admin).toBeUndefined();
    expect(await app.services.tokens.verify(token)).toEqual({
      subject,
      email: undefined,
      tenant: 'acme',
      emailVerified: false,
      role: 'OWNER',
      roles: ['OWNER'],
      isPlatformAdmin: false,
      issuedAt: new Date((claims.iat ?? 0) * 1000),
      expiresAt: new Date((claims.exp ?? 0) * 1000),
    });
  });

  it('of another maker is understood when it names the tenant at the same path', async () => {
    const token = await new SignJWT({ app_metadata: { tenant: 'nobody' }, tenant: 'ignored' })
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: 'any' })
      .setIssuer(issuer)
      .setAudience(audience)
      .setExpirationTime('1h')
      .sign(ours.privateKey);
    const { body, code } = await server.post(
      { query: '{ products { totalCount } }' },
      { authorization: `Bearer ${token}` },
    );
    expect(code).toBe('TENANT_NOT_FOUND');
    expect(body.errors?.[0]?.message).toContain('nobody');
  });
});

describe('where tokens may be without an expiry, and admins have a week', () => {
  const used = useServer({
    JWT_PUBLIC_KEY: publicPem,
    ALLOW_TOKENS_WITHOUT_EXP: 'true',
    MAX_ADMIN_TOKEN_HOURS: '168',
  });
  const codeFor = async (payload: object) =>
    (await used.server.post({ query: '{ viewer { role } }' }, { authorization: `Bearer ${jwt(payload)}` })).code;

  it('a token without one is good, and no platform admin’s', async () => {
    expect(await codeFor({ sub: 'somebody' })).toBeUndefined();
    expect(await codeFor({ platform_admin: true })).toBe('UNAUTHENTICATED');
  });

  it('a platform admin’s is good for a week, and for no more', async () => {
    expect(await codeFor({ platform_admin: true, exp: now() + 167 * 3600 })).toBeUndefined();
    expect(await codeFor({ platform_admin: true, exp: now() + 169 * 3600 })).toBe('UNAUTHENTICATED');
  });

  it('a token that makes nobody a platform admin may be valid for longer', async () => {
    expect(await codeFor({ sub: 'somebody', exp: now() + 1000 * 3600 })).toBeUndefined();
  });
});
