import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { decodeProtectedHeader } from 'jose';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadTokenKeys } from '../../src/accounts/token-keys.ts';
import { createTokens } from '../../src/accounts/tokens.ts';
import { loadConfig } from '../../src/config.ts';

const log = pino({ level: 'silent' });
const rules = { issuer: undefined, audience: undefined, tenantClaim: 'tenant' };
const pem = (key: KeyObject) =>
  key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' }).toString();
const jwk = (key: KeyObject) => JSON.stringify(key.export({ format: 'jwk' }));

describe('the keys of tokens', () => {
  let dataDir: string;
  beforeAll(async () => {
    dataDir = await mkdtemp(path.join(tmpdir(), 'tenantry-keys-'));
  });
  afterAll(() => rm(dataDir, { recursive: true, force: true }));

  /** The keys that the settings give, by way of the configuration. */
  const load = (env: Record<string, string>) => loadTokenKeys(loadConfig(env).tokens.keys, dataDir, log);
  const tokensOf = async (env: Record<string, string>) => createTokens(await load(env), rules);

  it('are made once in DATA_DIR, for its owner alone, and kept over restarts', async () => {
    const starts = await Promise.all([tokensOf({}), tokensOf({}), tokensOf({})]);
    const again = await tokensOf({});
    for (const tokens of starts) {
      const token = await tokens.issue({ tenant: 'acme', expiresIn: '1h' });
      expect(await again.verify(token)).toMatchObject({ tenant: 'acme', isPlatformAdmin: false });
    }
    const file = path.join(dataDir, 'jwt-key.json');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ kty: 'OKP', crv: 'Ed25519' });
  });

  it('in DATA_DIR are named by their file when they are damaged', async () => {
    const damaged = await mkdtemp(path.join(tmpdir(), 'tenantry-keys-'));
    await writeFile(path.join(damaged, 'jwt-key.json'), '{"kty":');
    await expect(loadTokenKeys(undefined, damaged, log)).rejects.toThrow(/jwt-key\.json/);
    await rm(damaged, { recursive: true });
  });

  it('may be a secret of 32 bytes or more', async () => {
    const tokens = await tokensOf({ JWT_SECRET: 'ü'.repeat(16) });
    const token = await tokens.issue({ subject: 'x', expiresIn: '1h' });
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'HS256' });
    expect(await tokens.verify(token)).toMatchObject({ subject: 'x' });
    await expect((await tokensOf({ JWT_SECRET: 'x'.repeat(32) })).verify(token)).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
    expect(() => loadConfig({ JWT_SECRET: 'x'.repeat(31) })).toThrow(/JWT_SECRET must be at least 32 bytes/);
  });

  const pairs = {
    Ed25519: { pair: generateKeyPairSync('ed25519'), algorithm: 'EdDSA' },
    'P-256': { pair: generateKeyPairSync('ec', { namedCurve: 'P-256' }), algorithm: 'ES256' },
    RSA: { pair: generateKeyPairSync('rsa', { modulusLength: 2048 }), algorithm: 'RS256' },
  };
  const forms = {
    PEM: pem,
    'PEM in one line': (key: KeyObject) => pem(key).replaceAll('\n', '\\n'),
    JWK: jwk,
  };
  it.each(Object.keys(pairs).flatMap((kind) => Object.keys(forms).map((form) => [kind, form])))(
    'may be a pair of %s, written as %s',
    async (kind, form) => {
      const { pair, algorithm } = pairs[kind as keyof typeof pairs];
      const write = forms[form as keyof typeof forms];
      const both = await tokensOf({ JWT_PUBLIC_KEY: write(pair.publicKey), JWT_PRIVATE_KEY: write(pair.privateKey) });
      const token = await both.issue({ tenant: 'acme', role: 'OWNER', email: 'a@b.c', expiresIn: '1h' });
      expect(decodeProtectedHeader(token)).toEqual({ alg: algorithm });
      const publicOnly = await tokensOf({ JWT_PUBLIC_KEY: write(pair.publicKey) });
      expect(await publicOnly.verify(token)).toMatchObject({ tenant: 'acme', role: 'OWNER', email: 'a@b.c' });
      await expect(publicOnly.issue({ expiresIn: '1h' })).rejects.toThrow(/JWT_PRIVATE_KEY/);
    },
  );

  it.each([
    [
      'of two pairs',
      pem(pairs.Ed25519.pair.publicKey),
      pem(generateKeyPairSync('ed25519').privateKey),
      /JWT_PRIVATE_KEY does not belong/,
    ],
    [
      'of two kinds',
      pem(pairs.RSA.pair.publicKey),
      pem(pairs.Ed25519.pair.privateKey),
      /JWT_PRIVATE_KEY does not belong/,
    ],
    ['that are nonsense', 'nonsense', undefined, /JWT_PUBLIC_KEY is neither a PEM nor a JWK/],
    ['that are broken JSON', '{"kty":', undefined, /JWT_PUBLIC_KEY is neither a PEM nor a JWK/],
    ['whose private one is nonsense', pem(pairs.RSA.pair.publicKey), '{"kty":"oct"}', /JWT_PRIVATE_KEY is neither/],
    [
      'on a curve for which there is no algorithm',
      pem(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey),
      undefined,
      /JWT_PUBLIC_KEY is a key of type secp256k1/,
    ],
    [
      'that cannot sign',
      pem(generateKeyPairSync('x25519').publicKey),
      undefined,
      /JWT_PUBLIC_KEY is a key of type x25519/,
    ],
    [
      'of RSA that are too short',
      pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey),
      undefined,
      /JWT_PUBLIC_KEY .*2048/,
    ],
    [
      'whose private one is broken JSON',
      pem(pairs.RSA.pair.publicKey),
      '{"d":hunter2}',
      /JWT_PRIVATE_KEY is neither(?!.*hunter2)/,
    ],
  ])('are refused when they are ones %s', async (_name, publicKey, privateKey, message) => {
    const env = { JWT_PUBLIC_KEY: publicKey, ...(privateKey && { JWT_PRIVATE_KEY: privateKey }) };
    const problem = await load(env).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(problem).toMatchObject({ name: 'ConfigError', message: expect.stringMatching(message) });
  });
});
