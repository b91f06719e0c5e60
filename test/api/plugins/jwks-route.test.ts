import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Listening, listen } from '../../support/listen.ts';
import { startTestApp, type TestApp } from '../../support/start-app.ts';

const path = '/.well-known/jwks.json';
const pem = (key: KeyObject) =>
  key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' }).toString();

describe('the key set', () => {
  const [old, fresh] = [generateKeyPairSync('rsa', { modulusLength: 2048 }), generateKeyPairSync('ed25519')];
  let app: TestApp;
  let server: Listening;
  beforeAll(async () => {
    app = await startTestApp({
      JWT_PRIVATE_KEY: pem(fresh.privateKey),
      JWT_PUBLIC_KEY: pem(fresh.publicKey) + pem(old.publicKey),
      CORS_ORIGINS: 'https://app.example.com',
    });
    server = await listen(app.yoga);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await app[Symbol.asyncDispose]();
  });

  it('has the public keys and no more, and says how long it may be kept', async () => {
    const { status, headers, text } = await server.get(path);
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      'content-type': 'application/jwk-set+json',
      'cache-control': 'public, max-age=300',
    });
    const { keys } = JSON.parse(text);
    expect(keys.map((key: object) => Object.keys(key).sort().join(' '))).toEqual([
      'alg crv kid kty use x',
      'alg e kid kty n use',
    ]);
  });

  it('lets another service verify what was signed here', async () => {
    const token = await app.services.tokens.issue({ tenant: 'acme', expiresIn: '1h' });
    const keys = createRemoteJWKSet(new URL(`http://127.0.0.1:${server.port}${path}`));
    const { payload } = await jwtVerify(token, keys, { algorithms: ['EdDSA'] });
    expect(payload).toMatchObject({ tenant: 'acme' });
  });

  it('is for everybody to read, and for nobody to write', async () => {
    const { headers } = await server.get(path, { origin: 'https://elsewhere.example.com' });
    expect(headers['access-control-allow-origin']).toBe('*');
    expect(headers['access-control-allow-credentials']).toBeUndefined();
    // What a cache has kept for a page of a listed origin is none for pages of others.
    const listed = await server.get(path, { origin: 'https://app.example.com' });
    expect(listed.headers).toMatchObject({
      'access-control-allow-origin': 'https://app.example.com',
      vary: expect.stringMatching(/^origin$/i),
    });
    expect(headers.vary).toBe('origin');
    expect(await server.send({ method: 'HEAD', path })).toMatchObject({ status: 200, text: '' });
    expect(await server.send({ method: 'DELETE', path })).toMatchObject({ status: 405 });
  });
});
