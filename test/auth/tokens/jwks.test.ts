import type { RequestListener, ServerResponse } from 'node:http';
import { SignJWT } from 'jose';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadTokenKeys } from '../../../src/auth/tokens/keys.ts';
import { createTokens, type Tokens } from '../../../src/auth/tokens/tokens.ts';
import { loadConfig } from '../../../src/config/config.ts';
import type { AppError } from '../../../src/lib/errors.ts';
import { makeKey, type ProviderKey, startProvider, type TestProvider } from '../../support/identity-provider.ts';

/** After an answer the keys are fetched again for a key id that is not known no sooner than this. */
const COOLDOWN_MS = 30_000;
/** And after this they are fetched again in any case. */
const REFRESH_MS = 10 * 60_000;
/** After a failure they are fetched again no sooner than this. */
const RETRY_MS = 5_000;

const known = makeKey('known');
const fresh = makeKey('fresh');

describe('tokens of an identity provider that publishes its keys', () => {
  let provider: TestProvider;
  let logged: string[];
  let tokens: Tokens;

  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    logged = [];
    provider = await startProvider(known);
    const config = loadConfig({ JWT_JWKS_URL: provider.jwksUrl, JWT_ISSUER: provider.issuer }).tokens;
    const log = pino({ level: 'warn' }, { write: (line: string) => logged.push(line) });
    tokens = createTokens(await loadTokenKeys(config.keys, 'unused'), config, log);
  });
  afterEach(async () => {
    vi.useRealTimers();
    await provider[Symbol.asyncDispose]();
  });

  const later = (ms: number) => vi.setSystemTime(Date.now() + ms + 1);
  const present = async (key: ProviderKey, header = {}) =>
    tokens.verify(await provider.token(key, { sub: 'ada', tenant: 'acme' }, header));
  /** How a token is refused. */
  const refusal = (key: ProviderKey, header = {}) =>
    present(key, header).then(
      () => 'accepted',
      (error: unknown) => error,
    );
  const accepted = (key: ProviderKey) =>
    expect(present(key)).resolves.toMatchObject({ subject: 'ada', tenant: 'acme' });
  const notSure = {
    code: 'SERVER_BUSY',
    message: expect.stringContaining('a moment ago'),
    details: { retryAfterMs: expect.any(Number) },
  };
  const refused = { code: 'UNAUTHENTICATED', message: 'The token cannot be verified' };
  const unreachable = {
    name: 'AppError',
    code: 'SERVER_BUSY',
    message: expect.stringContaining("issuer's keys cannot be fetched"),
    details: { retryAfterMs: RETRY_MS },
  };

  it('are verified with the key that they name, which is fetched once', async () => {
    const rsa = makeKey('rsa', 'rsa');
    provider.publish(known, rsa);
    for (const key of [known, rsa, known]) await accepted(key);
    expect(provider.fetches).toBe(1);
  });

  it('follow a rotation of the keys', async () => {
    await accepted(known);
    provider.publish(fresh, known);
    later(COOLDOWN_MS);
    await accepted(fresh);
    await accepted(known);
    expect(provider.fetches).toBe(2);
    provider.publish(fresh);
    later(COOLDOWN_MS);
    expect(await refusal(makeKey('another'))).toMatchObject(refused);
    expect(await refusal(known)).toMatchObject(notSure);
    later(COOLDOWN_MS);
    expect(await refusal(known)).toMatchObject(refused);
  });

  it('of a key that was withdrawn are refused some time later, without anybody who waits for that', async () => {
    await accepted(known);
    let held: ServerResponse | undefined;
    provider.answer((_request, response) => {
      held = response;
    });
    later(REFRESH_MS);
    // The keys are asked for now, and the answer is not waited for.
    await accepted(known);
    await vi.waitUntil(() => held);
    await accepted(known);
    expect(provider.fetches).toBe(2);
    held?.end(JSON.stringify({ keys: [fresh.jwk] }));
    await vi.waitFor(async () => expect(await refusal(known)).toMatchObject(notSure));
    await accepted(fresh);
    expect(provider.fetches).toBe(2);
    provider.publish(fresh);
    later(COOLDOWN_MS);
    expect(await refusal(known)).toMatchObject(refused);
  });

  it('with unknown key ids do not sign anybody out while they are not looked up, and cause few requests', async () => {
    expect(await refusal(makeKey('unknown'))).toMatchObject(refused);
    for (let index = 0; index < 20; index += 1) {
      expect(await refusal(makeKey(`unknown-${index}`))).toMatchObject(notSure);
    }
    expect(provider.fetches).toBe(1);
    provider.publish(fresh, known);
    const error = await refusal(fresh);
    expect(error).toMatchObject(notSure);
    later((error as AppError).details.retryAfterMs as number);
    await accepted(fresh);
    expect(provider.fetches).toBe(2);
    expect(logged).toEqual([expect.stringContaining('JWT_AUDIENCE')]);
  });

  it.each([
    ['without key ids', undefined],
    ['with the same key id', 'same'],
  ])('are verified with each of several keys %s', async (_name, kid) => {
    const keys = [makeKey('same'), makeKey('same'), makeKey('same', 'rsa'), makeKey('same')];
    provider.publish(...keys.map((key) => ({ ...key, jwk: { ...key.jwk, kid } })));
    for (const key of keys) await expect(present(key, { kid })).resolves.toMatchObject({ subject: 'ada' });
    expect(await refusal(makeKey('same'), { kid })).toMatchObject(refused);
    expect(provider.fetches).toBe(1);
  });

  it('with a time that no date can hold are accepted, and never expire', async () => {
    const token = await provider.token(known, { sub: 'ada', exp: 1e15, iat: -1e15 });
    const { expiresAt, issuedAt } = await tokens.verify(token);
    expect([expiresAt?.getTime(), issuedAt?.getTime()]).toEqual([8.64e15, -8.64e15]);
  });

  it('signed by somebody else under a known key id are refused', async () => {
    for (const kid of ['known', '../known', 'http://127.0.0.1/known']) {
      later(COOLDOWN_MS);
      expect(await refusal(makeKey('other'), { kid })).toMatchObject(refused);
    }
  });

  it('signed with a secret are refused, even if the provider publishes one', async () => {
    const secret = Buffer.alloc(32, 'x');
    const jwk = { kty: 'oct', k: secret.toString('base64url'), kid: 'secret', alg: 'HS256' };
    provider.publish({ ...known, jwk });
    const token = await new SignJWT({ iss: provider.issuer, sub: 'ada' })
      .setProtectedHeader({ alg: 'HS256', kid: 'secret' })
      .setExpirationTime('1h')
      .sign(secret);
    await expect(tokens.verify(token)).rejects.toMatchObject(refused);
  });

  describe('while the provider is down', () => {
    const down: RequestListener = (_request, response) => response.destroy();

    it('go on being verified with the keys that are known, however long it takes', async () => {
      await accepted(known);
      provider.answer(down);
      for (const ms of [0, REFRESH_MS, RETRY_MS, 24 * 3_600_000]) {
        later(ms);
        await accepted(known);
      }
      expect(provider.fetches).toBeGreaterThan(1);
      provider.publish(fresh);
      // The last try may fail only now, and the next comes some time after that.
      await vi.waitFor(async () => {
        later(COOLDOWN_MS);
        expect(await refusal(known)).toMatchObject(refused);
      });
    });

    it('get SERVER_BUSY when their key is new, and many concurrent requests cause a single fetch', async () => {
      await accepted(known);
      later(COOLDOWN_MS);
      provider.answer(down);
      const before = provider.fetches;
      for (const error of await Promise.all(Array.from({ length: 20 }, () => refusal(fresh)))) {
        expect(error).toMatchObject(unreachable);
      }
      for (let index = 0; index < 20; index += 1) {
        expect(await refusal(makeKey(`unknown-${index}`))).toMatchObject(unreachable);
      }
      await accepted(known);
      expect(provider.fetches - before).toBe(1);
      expect(logged.filter((line) => line.includes('cannot be fetched'))).toHaveLength(1);
      provider.publish(fresh);
      later(RETRY_MS);
      await accepted(fresh);
    });
  });

  it('do not wait for a slow answer longer than some seconds, and then not at all', async () => {
    const waiting: ServerResponse[] = [];
    provider.answer((_request, response) => {
      waiting.push(response);
      // The head comes at once, and the rest never.
      response.writeHead(200, { 'content-type': 'application/json' }).write('{"keys":[');
    });
    const errors = await Promise.all(Array.from({ length: 20 }, () => refusal(known)));
    for (const error of errors) expect(error).toMatchObject(unreachable);
    for (let index = 0; index < 20; index += 1) expect(await refusal(known)).toMatchObject(unreachable);
    expect(waiting).toHaveLength(1);
    provider.publish(known);
    later(RETRY_MS);
    await accepted(known);
  });

  const failures: Record<string, RequestListener> = {
    'hangs up': (_request, response) => response.destroy(),
    'answers with an error': (_request, response) => response.writeHead(500).end('{"keys":[]}'),
    'answers with a page': (_request, response) => response.end('<html>'),
    'answers with JSON that is no key set': (_request, response) => response.end('{"keys":1}'),
    redirects: (_request, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
  };
  it.each(Object.keys(failures))('are refused with a clear message, and a log, when the provider %s', async (name) => {
    provider.answer(failures[name] ?? expect.unreachable());
    expect(await refusal(known)).toMatchObject(unreachable);
    expect(logged.join()).toContain(provider.jwksUrl);
    provider.publish(known);
    later(RETRY_MS);
    await accepted(known);
  });

  it('cannot be made here', async () => {
    expect(tokens.canIssue).toBe(false);
    await expect(tokens.issue({ expiresIn: '1h' })).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
  });
});
