import { createPublicKey, generateKeyPairSync, type JsonWebKey, KeyObject } from 'node:crypto';
import path from 'node:path';
import { type CryptoKey, calculateJwkThumbprint, type JWK } from 'jose';
import { ConfigError } from '../../config/config.ts';
import type { KeySource } from '../../config/token-config.ts';
import { readOrCreateFile } from '../../lib/files.ts';
import { type NamedKey, readPrivateKey, readPublicKeys } from './key-parsing.ts';

/** A key with the only algorithm that it is used with, whatever a token's header says. */
export interface TokenKey {
  readonly key: KeyObject | CryptoKey;
  readonly algorithm: string;
  /**
   * The key ids by which tokens may refer to it, first the thumbprint, which our own tokens use. Empty for a secret.
   */
  readonly ids: readonly string[];
}

/** The keys of this installation's tokens. */
export interface TokenKeys {
  /** The keys that may have signed a token. */
  readonly verify: readonly TokenKey[];
  /** Undefined if this installation cannot issue tokens. */
  readonly sign: TokenKey | undefined;
}

const MIN_RSA_BITS = 2048;

/**
 * Loads the keys named in the settings.
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

/** Returns the public keys for publication; none for a secret. */
export function publishedKeys({ verify }: TokenKeys): JWK[] {
  return verify.flatMap(({ key, algorithm, ids: [kid] }) =>
    key instanceof KeyObject && kid !== undefined
      ? // Exporting a public key never includes a private part.
        [{ ...key.export({ format: 'jwk' }), kid, alg: algorithm, use: 'sig' }]
      : [],
  );
}

/** Generates an Ed25519 key. */
export function newPrivateJwk(): JsonWebKey {
  return generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
}

/** Reads the file with the development keys, creating it if necessary. The first key signs. */
export async function readDevelopmentKeys(dataDir: string): Promise<{ readonly file: string; readonly text: string }> {
  const file = path.join(dataDir, 'jwt-key.json');
  return { file, text: await readOrCreateFile(file, () => JSON.stringify(newPrivateJwk())) };
}

async function configuredKeys({ publicKeys, privateKey }: Extract<KeySource, { kind: 'keys' }>): Promise<TokenKeys> {
  const signing = privateKey === undefined ? undefined : readPrivateKey('JWT_PRIVATE_KEY', privateKey);
  const beside = privateKey === undefined ? [] : readPublicKeys('JWT_PRIVATE_KEY', privateKey);
  if (beside.length > 1) {
    throw new ConfigError([
      'JWT_PRIVATE_KEY contains several keys, but only one can sign; put the others in JWT_PUBLIC_KEY',
    ]);
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
  // Not with equals(): if the key types differ, it leaves an error behind that the next use of a key throws.
  const thumbprint = await thumbprintOf(createPublicKey(signing));
  const own = verify.find(({ ids }) => ids[0] === thumbprint);
  if (!own) throw new ConfigError(['JWT_PRIVATE_KEY does not belong to any key of JWT_PUBLIC_KEY']);
  return { verify, sign: { ...own, key: signing } };
}

/** Imported once: jose would import the bytes again for each token. */
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
    throw new ConfigError([`${name} has ${modulusLength} bits; an RSA key needs at least ${MIN_RSA_BITS}`]);
  }
  if (key.asymmetricKeyType === 'ed25519') return 'EdDSA';
  if (key.asymmetricKeyType === 'rsa') return 'RS256';
  if (curve === 'prime256v1') return 'ES256';
  if (curve === 'secp384r1') return 'ES384';
  if (curve === 'secp521r1') return 'ES512';
  throw new ConfigError([`${name} is a key of type ${curve ?? key.asymmetricKeyType}; use Ed25519, P-256 or RSA`]);
}
