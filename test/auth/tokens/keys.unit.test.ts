import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { calculateJwkThumbprint, decodeProtectedHeader, SignJWT } from 'jose';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadTokenKeys, publishedKeys } from '../../../src/auth/tokens/keys.ts';
import { rotateDevelopmentKeys } from '../../../src/auth/tokens/rotate-keys.ts';
import { createTokens } from '../../../src/auth/tokens/tokens.ts';
import { loadConfig } from '../../../src/config/config.ts';
import { jwk, pem } from '../../support/key-texts.ts';

const eddsa = { alg: 'EdDSA', use: 'sig' };
const log = pino({ level: 'silent' });
const rules = loadConfig({}).tokens;
/** The name of a key by RFC 7638. */
const thumbprint = (key: KeyObject) => calculateJwkThumbprint(key.export({ format: 'jwk' }));

describe('the keys of tokens', () => {
  let dataDir: string;
  beforeAll(async () => {
    dataDir = await mkdtemp(path.join(tmpdir(), 'tenantry-keys-'));
  });
  afterAll(() => rm(dataDir, { recursive: true, force: true }));

  /** The keys that the settings give, by way of the configuration. */
  const load = (env: Record<string, string>) => loadTokenKeys(loadConfig(env).tokens.keys, dataDir);
  const tokensOf = async (env: Record<string, string>) => createTokens(await load(env), rules, log);

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
    await expect(loadTokenKeys({ kind: 'folder' }, damaged)).rejects.toThrow(/jwt-key\.json/);
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
      expect(decodeProtectedHeader(token)).toEqual({ alg: algorithm, kid: await thumbprint(pair.publicKey) });
      const publicOnly = await tokensOf({ JWT_PUBLIC_KEY: write(pair.publicKey) });
      expect(await publicOnly.verify(token)).toMatchObject({ tenant: 'acme', role: 'OWNER', email: 'a@b.c' });
      await expect(publicOnly.issue({ expiresIn: '1h' })).rejects.toThrow(/JWT_PRIVATE_KEY/);
    },
  );

  it('may be the private one alone', async () => {
    const { privateKey, publicKey } = pairs.Ed25519.pair;
    const tokens = await tokensOf({ JWT_PRIVATE_KEY: pem(privateKey) });
    const token = await tokens.issue({ tenant: 'acme', expiresIn: '1h' });
    expect(await tokens.verify(token)).toMatchObject({ tenant: 'acme' });
    expect(await (await tokensOf({ JWT_PUBLIC_KEY: jwk(publicKey) })).verify(token)).toMatchObject({ tenant: 'acme' });
  });

  describe('that are several', () => {
    const [old, fresh] = [generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519')];
    const { RSA } = pairs;
    const sets = {
      PEMs: (...keys: KeyObject[]) => keys.map(pem).join(''),
      'PEMs in one line': (...keys: KeyObject[]) => keys.map(pem).join('').replaceAll('\n', '\\n'),
      'a set of JWKs': (...keys: KeyObject[]) => `{"keys":[${keys.map(jwk).join()}]}`,
    };

    it.each(Object.keys(sets))('all verify, and the private one signs; written as %s', async (form) => {
      const write = sets[form as keyof typeof sets];
      const before = await tokensOf({ JWT_PRIVATE_KEY: pem(old.privateKey) });
      const JWT_PUBLIC_KEY = write(fresh.publicKey, RSA.pair.publicKey, old.publicKey);
      const after = await tokensOf({ JWT_PUBLIC_KEY, JWT_PRIVATE_KEY: write(fresh.privateKey) });
      const [oldToken, newToken] = [await before.issue({ expiresIn: '1h' }), await after.issue({ expiresIn: '1h' })];
      expect(decodeProtectedHeader(newToken)).toEqual({ alg: 'EdDSA', kid: await thumbprint(fresh.publicKey) });
      for (const token of [oldToken, newToken]) await after.verify(token);
      await expect(before.verify(newToken)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    });

    it('are selected by their ids, and tried in turn for a token that names none of them', async () => {
      const named = { ...old.publicKey.export({ format: 'jwk' }), kid: 'makers/own' };
      const tokens = await tokensOf({ JWT_PUBLIC_KEY: `{"keys":[${jwk(fresh.publicKey)},${JSON.stringify(named)}]}` });
      const signed = (key: KeyObject, kid?: string) =>
        new SignJWT({ tenant: 'acme' })
          .setProtectedHeader({ alg: 'EdDSA', ...(kid && { kid }) })
          .setExpirationTime('1h')
          .sign(key);
      for (const kid of [undefined, 'makers/own', await thumbprint(old.publicKey), 'of another maker', '../../etc']) {
        expect(await tokens.verify(await signed(old.privateKey, kid)), kid).toMatchObject({ tenant: 'acme' });
      }
      const foreign = generateKeyPairSync('ed25519').privateKey;
      for (const [key, kid] of [
        [fresh.privateKey, 'makers/own'],
        [old.privateKey, await thumbprint(fresh.publicKey)],
        [foreign, 'makers/own'],
        [foreign, 'of another maker'],
        [foreign, undefined],
      ] as const) {
        const token = await signed(key, kid);
        await expect(tokens.verify(token), kid).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
      }
    });

    it('keep to their own algorithms', async () => {
      const secret = pem(RSA.pair.publicKey);
      const tokens = await tokensOf({ JWT_PUBLIC_KEY: secret + pem(old.publicKey) });
      const forged = await new SignJWT({})
        .setProtectedHeader({ alg: 'HS256', kid: await thumbprint(RSA.pair.publicKey) })
        .sign(new TextEncoder().encode(secret));
      const other = await new SignJWT({}).setProtectedHeader({ alg: 'RS512' }).sign(RSA.pair.privateKey);
      for (const token of [forged, other]) {
        await expect(tokens.verify(token)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
      }
    });
  });

  it('are published without anything that is private, and a secret not at all', async () => {
    const { RSA, Ed25519 } = pairs;
    // Somebody may put a private key where a public one belongs.
    const JWT_PUBLIC_KEY = pem(Ed25519.pair.publicKey) + pem(RSA.pair.privateKey);
    const keys = publishedKeys(await load({ JWT_PUBLIC_KEY, JWT_PRIVATE_KEY: pem(Ed25519.pair.privateKey) }));
    expect(keys).toEqual([
      { kty: 'OKP', crv: 'Ed25519', x: expect.any(String), kid: await thumbprint(Ed25519.pair.publicKey), ...eddsa },
      {
        kty: 'RSA',
        n: expect.any(String),
        e: 'AQAB',
        kid: await thumbprint(RSA.pair.publicKey),
        alg: 'RS256',
        use: 'sig',
      },
    ]);
    expect(publishedKeys(await load({ JWT_SECRET: 'x'.repeat(32) }))).toEqual([]);
  });

  it('in DATA_DIR rotate: the newest signs, and of the others nothing is left that could sign', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'tenantry-keys-'));
    const open = async () => createTokens(await loadTokenKeys({ kind: 'folder' }, folder), rules, log);
    const made: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      if (round > 0) await rotateDevelopmentKeys(folder);
      made.push(await (await open()).issue({ tenant: 'acme', expiresIn: '1h' }));
    }
    const newest = await open();
    for (const token of made) expect(await newest.verify(token)).toMatchObject({ tenant: 'acme' });
    expect(new Set(made.map((token) => decodeProtectedHeader(token).kid)).size).toBe(3);
    const file = path.join(folder, 'jwt-key.json');
    const { keys } = JSON.parse(await readFile(file, 'utf8'));
    expect(keys.map(({ d }: { d?: string }) => d !== undefined)).toEqual([true, false, false]);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['jwt-key.json']);
    await rm(folder, { recursive: true });
  });
});
