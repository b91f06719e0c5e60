import { createPublicKey, generateKeyPairSync, type JsonWebKey, KeyObject } from 'node:crypto';
import path from 'node:path';
import { type CryptoKey, calculateJwkThumbprint, type JWK } from 'jose';
import { ConfigError } from '../../config/config.ts';
import type { KeySource } from '../../config/token-config.ts';
import { readOrCreateFile } from '../../lib/files.ts';
import { type NamedKey, readPrivateKey, readPublicKeys } from './key-parsing.ts';

/** A key with the one algorithm that it is used with: no other is accepted, whatever a token's header says. */
export interface TokenKey {
  readonly key: KeyObject | CryptoKey;
  readonly algorithm: string;
  /** What tokens may call it; first its thumbprint, which ours do. A secret has none. */
  readonly ids: readonly string[];
}

/** The keys of this installation. */
export interface TokenKeys {
  /** Any of these may have signed a token. */
  readonly verify: readonly TokenKey[];
  /** Undefined where only somebody else can make tokens. */
  readonly sign: TokenKey | undefined;
}

const MIN_RSA_BITS = 2048;

/**
 * Loads the keys that the settings name.
 * @throws {ConfigError} if a key cannot be read
 */
export async function loadTokenKeys(source: KeySource, dataDir: string): Promise<TokenKeys> {
  switch (source.kind) {
    case 'none':
      return { verify: [], sign: undefined };
    case 'secret': {
      const key = { key: await importSecret(source.secret), algorithm: 'HS256', ids: [] };
      return { verify: [key], sign: key };
    }
    case 'keys':
      return configuredKeys(source);
    case 'folder': {
      const { file, text } = await readDevelopmentKeys(dataDir);
      return keysOf(file, readPublicKeys(file, text), readPrivateKey(file, text));
    }
  }
}

/** The public keys of an installation as others can read them; of a secret nothing. */
export function publishedKeys({ verify }: TokenKeys): JWK[] {
  return verify.flatMap(({ key, algorithm, ids: [kid] }) =>
    key instanceof KeyObject && kid !== undefined
      ? // The private part of a key that has one is not among what a public key exports.
        [{ ...key.export({ format: 'jwk' }), kid, alg: algorithm, use: 'sig' }]
      : [],
  );
}

/** A new key of Ed25519. */
export function newPrivateJwk(): JsonWebKey {
  return generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
}

/** The file with the keys of development; the first of them signs. */
export async function readDevelopmentKeys(dataDir: string): Promise<{ readonly file: string; readonly text: string }> {
  const file = path.join(dataDir, 'jwt-key.json');
  return { file, text: await readOrCreateFile(file, () => JSON.stringify(newPrivateJwk())) };
}

async function configuredKeys({ publicKeys, privateKey }: Extract<KeySource, { kind: 'keys' }>): Promise<TokenKeys> {
  const signing = privateKey === undefined ? undefined : readPrivateKey('JWT_PRIVATE_KEY', privateKey);
  const beside = privateKey === undefined ? [] : readPublicKeys('JWT_PRIVATE_KEY', privateKey);
  if (beside.length > 1) {
    throw new ConfigError(['JWT_PRIVATE_KEY has several keys, but one signs; the others belong into JWT_PUBLIC_KEY']);
  }
  if (publicKeys === undefined) return keysOf('JWT_PRIVATE_KEY', beside, signing);
  return keysOf('JWT_PUBLIC_KEY', readPublicKeys('JWT_PUBLIC_KEY', publicKeys), signing);
}

async function keysOf(name: string, publicKeys: readonly NamedKey[], signing: KeyObject | undefined) {
  const verify = await Promise.all(
    publicKeys.map(async ({ key, id }) => {
      const algorithm = algorithmOf(name, key);
      const thumbprint = await thumbprintOf(key);
      return { key, algorithm, ids: id === undefined ? [thumbprint] : [thumbprint, id] };
    }),
  );
  if (!signing) return { verify, sign: undefined };
  // Not with equals(), which where the types differ leaves an error behind that the next use of a key then throws.
  const thumbprint = await thumbprintOf(createPublicKey(signing));
  const own = verify.find(({ ids }) => ids[0] === thumbprint);
  if (!own) throw new ConfigError(['JWT_PRIVATE_KEY does not belong to any key of JWT_PUBLIC_KEY']);
  return { verify, sign: { ...own, key: signing } };
}

/** Imported once: given the bytes, jose would import them for each token again. */
function importSecret(secret: string): Promise<CryptoKey> {
  const bytes = new TextEncoder().encode(secret);
  return crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify']);
}

/** @see https://www.rfc-editor.org/rfc/rfc7638 */
function thumbprintOf(publicKey: KeyObject): Promise<string> {
  return calculateJwkThumbprint(publicKey.export({ format: 'jwk' }));
}

/** @see https://www.rfc-editor.org/rfc/rfc7518#section-3 */
function algorithmOf(name: string, key: KeyObject): string {
  const { namedCurve: curve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'rsa' && modulusLength < MIN_RSA_BITS) {
    throw new ConfigError([`${name} has ${modulusLength} bits; a key of RSA needs ${MIN_RSA_BITS} or more`]);
  }
  if (key.asymmetricKeyType === 'ed25519') return 'EdDSA';
  if (key.asymmetricKeyType === 'rsa') return 'RS256';
  if (curve === 'prime256v1') return 'ES256';
  if (curve === 'secp384r1') return 'ES384';
  if (curve === 'secp521r1') return 'ES512';
  throw new ConfigError([`${name} is a key of type ${curve ?? key.asymmetricKeyType}; use Ed25519, P-256 or RSA`]);
}
