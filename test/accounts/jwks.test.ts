import { generateKeyPairSync } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { SignJWT } from 'jose';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadTokenKeys } from '../../src/accounts/token-keys.ts';
import { createTokens, type Tokens } from '../../src/accounts/tokens.ts';
import { loadConfig } from '../../src/config.ts';
import { type Listening, listen } from '../support/listen.ts';

/** One of an identity provider's keys. */
function makeKey(kid: string, kind: 'ed25519' | 'rsa' = 'ed25519') {
  const pair = kind === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ed25519');
  const alg = kind === 'rsa' ? 'RS256' : 'EdDSA';
  return {
    public: { ...pair.publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' },
    token: (header = {}) =>
      new SignJWT({ tenant: 'acme' })
        .setProtectedHeader({ alg, kid, ...header })
        .setExpirationTime('1h')
        .sign(pair.privateKey),
  };
}

/** After this time the keys may be fetched again for a key id that is not known; see jose's `cooldownDuration`. */
const COOLDOWN_MS = 30_000;

describe('tokens of an identity provider that publishes its keys', () => {
  let provider: Listening;
  let answer: RequestListener;
  let fetches = 0;
  let logged: string[];
  let tokens: Tokens;

  const publish = (...keys: object[]) => {
    answer = (_request, response) =>
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys }));
  };

  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    [fetches, logged] = [0, []];
    provider = await listen((request, response) => {
      fetches += 1;
      answer(request, response);
    });
    const env = { JWT_JWKS_URL: `http://127.0.0.1:${provider.port}/.well-known/jwks.json` };
    const log = pino({ level: 'warn' }, { write: (line: string) => logged.push(line) });
    const config = loadConfig(env).tokens;
    tokens = createTokens(await loadTokenKeys(config.keys, 'unused', log), config);
  });
  afterEach(async () => {
    vi.useRealTimers();
    await provider[Symbol.asyncDispose]();
  });

  const refusal = (token: string) =>
    tokens.verify(token).then(
      () => 'accepted',
      (error: unknown) => error,
    );

  it('are verified with the key that they name, which is fetched once', async () => {
    const [first, second] = [makeKey('first'), makeKey('second', 'rsa')];
    publish(first.public, second.public);
    for (const key of [first, second, first])
      expect(await tokens.verify(await key.token())).toMatchObject({ tenant: 'acme' });
    expect(fetches).toBe(1);
  });

  it('follow a rotation of the keys', async () => {
    const [old, fresh] = [makeKey('old'), makeKey('fresh')];
    publish(old.public);
    await tokens.verify(await old.token());
    publish(fresh.public);
    vi.setSystemTime(Date.now() + COOLDOWN_MS + 1);
    expect(await tokens.verify(await fresh.token())).toMatchObject({ tenant: 'acme' });
    expect(await refusal(await old.token())).toMatchObject({
      code: 'UNAUTHENTICATED',
      message: 'The token cannot be verified',
    });
    expect(fetches).toBe(2);
  });

  it('with key ids that nobody knows are refused, and do not make us fetch for each', async () => {
    publish(makeKey('known').public);
    for (let index = 0; index < 20; index += 1) {
      const token = await makeKey(`unknown-${index}`).token();
      expect(await refusal(token)).toMatchObject({ code: 'UNAUTHENTICATED', message: 'The token cannot be verified' });
    }
    expect(fetches).toBeLessThanOrEqual(2);
    expect(logged).toEqual([]);
  });

  it('signed by somebody else under a known key id are refused', async () => {
    publish(makeKey('known').public);
    for (const kid of ['known', '../known', 'http://127.0.0.1/known']) {
      expect(await refusal(await makeKey('other').token({ kid }))).toMatchObject({ code: 'UNAUTHENTICATED' });
    }
  });

  it('signed with a secret are refused, even if the provider publishes one', async () => {
    const secret = Buffer.alloc(32, 'x');
    publish({ kty: 'oct', k: secret.toString('base64url'), kid: 'secret', alg: 'HS256' });
    const token = await new SignJWT({}).setProtectedHeader({ alg: 'HS256', kid: 'secret' }).sign(secret);
    expect(await refusal(token)).toMatchObject({ code: 'UNAUTHENTICATED', message: 'The token cannot be verified' });
  });

  it('go on being verified with the keys that are known while the provider is down', async () => {
    const key = makeKey('known');
    publish(key.public);
    await tokens.verify(await key.token());
    answer = (_request, response) => response.destroy();
    expect(await tokens.verify(await key.token())).toMatchObject({ tenant: 'acme' });
  });

  const failures: Record<string, RequestListener> = {
    'hangs up': (_request, response) => response.destroy(),
    'answers with an error': (_request, response) => response.writeHead(500).end('{"keys":[]}'),
    'answers with a page': (_request, response) => response.end('<html>'),
    'answers with JSON that is no key set': (_request, response) => response.end('{"keys":1}'),
    redirects: (_request, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
  };
  it.each(Object.keys(failures))('are refused with a clear message, and a log, when the provider %s', async (name) => {
    answer = failures[name] ?? answer;
    const key = makeKey('known');
    expect(await refusal(await key.token())).toMatchObject({
      name: 'AppError',
      code: 'UNAUTHENTICATED',
      message: expect.stringContaining('keys cannot be fetched'),
    });
    expect(logged.join()).toContain('JWT_JWKS_URL');
    publish(key.public);
    vi.setSystemTime(Date.now() + COOLDOWN_MS + 1);
    expect(await tokens.verify(await key.token())).toMatchObject({ tenant: 'acme' });
  });

  it('cannot be made here', async () => {
    await expect(tokens.issue({ expiresIn: '1h' })).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
  });
});
