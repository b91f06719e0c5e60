import { generateKeyPairSync } from 'node:crypto';
import { expect, it } from 'vitest';
import { loadTokenKeys } from '../../../src/auth/tokens/keys.ts';
import { loadConfig } from '../../../src/config/config.ts';
import { jwk, pem } from '../../support/key-texts.ts';

const pairs = {
  Ed25519: generateKeyPairSync('ed25519'),
  'P-256': generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  RSA: generateKeyPairSync('rsa', { modulusLength: 2048 }),
};

it.each([
  [
    'of two pairs',
    pem(pairs.Ed25519.publicKey),
    pem(generateKeyPairSync('ed25519').privateKey),
    /JWT_PRIVATE_KEY does not belong/,
  ],
  ['of two kinds', pem(pairs.RSA.publicKey), pem(pairs.Ed25519.privateKey), /JWT_PRIVATE_KEY does not belong/],
  [
    'of which none is the private one’s',
    pem(pairs.Ed25519.publicKey) + pem(pairs.RSA.publicKey),
    pem(pairs['P-256'].privateKey),
    /JWT_PRIVATE_KEY does not belong to any key of JWT_PUBLIC_KEY/,
  ],
  [
    'with several that could sign',
    pem(pairs.Ed25519.publicKey),
    pem(pairs.Ed25519.privateKey) + pem(pairs.RSA.privateKey),
    /JWT_PRIVATE_KEY contains several keys/,
  ],
  ['that are an empty set', '{"keys":[]}', undefined, /JWT_PUBLIC_KEY .*the key set is empty/],
  [
    'of which one is a text',
    '{"keys":["hunter2"]}',
    undefined,
    /JWT_PUBLIC_KEY is not a readable PEM or JWK(?!.*hunter2)/,
  ],
  [
    'of which the second is nonsense',
    `{"keys":[${jwk(pairs.RSA.publicKey)},{"kty":"oct","k":"hunter2"}]}`,
    undefined,
    /JWT_PUBLIC_KEY is not a readable PEM or JWK(?!.*hunter2)/,
  ],
  ['whose private one is a public one', pem(pairs.RSA.publicKey), pem(pairs.RSA.publicKey), /JWT_PRIVATE_KEY is/],
  ['that are nonsense', 'nonsense', undefined, /JWT_PUBLIC_KEY is not a readable PEM or JWK/],
  ['that are broken JSON', '{"kty":', undefined, /JWT_PUBLIC_KEY is not a readable PEM or JWK/],
  [
    'whose private one is nonsense',
    pem(pairs.RSA.publicKey),
    '{"kty":"oct"}',
    /JWT_PRIVATE_KEY is not a readable PEM or JWK/,
  ],
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
    pem(pairs.RSA.publicKey),
    '{"d":hunter2}',
    /JWT_PRIVATE_KEY is not a readable PEM or JWK(?!.*hunter2)/,
  ],
])('the keys of tokens are refused when they are ones %s', async (_name, publicKey, privateKey, message) => {
  const env = { JWT_PUBLIC_KEY: publicKey, ...(privateKey && { JWT_PRIVATE_KEY: privateKey }) };
  const problem = await loadTokenKeys(loadConfig(env).tokens.keys, 'nothing is kept here').then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(problem).toMatchObject({ name: 'ConfigError', message: expect.stringMatching(message) });
});
