import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import path from 'node:path';
import { createRemoteJWKSet, type JWTVerifyGetKey } from 'jose';
import { ConfigError, type KeySource } from '../config.ts';
import { messageOf } from '../errors.ts';
import { readOrCreateFile } from '../read-or-create-file.ts';

/** A key with the one algorithm that it is used with. */
export interface SigningKey {
  readonly key: KeyObject | Uint8Array;
  readonly algorithm: string;
}

/** The keys that tokens are verified, and perhaps signed, with. */
export interface TokenKeys {
  readonly verify: KeyObject | Uint8Array | JWTVerifyGetKey;
  /** No other algorithm is accepted, whatever a token's header says. */
  readonly algorithms: readonly string[];
  /** Undefined where only somebody else can make tokens. */
  readonly sign: SigningKey | undefined;
}

/** What identity providers sign with: no shared secrets, for those would be published with the key set. */
const jwksAlgorithms = [
  'EdDSA',
  'Ed25519',
  'ES256',
  'ES384',
  'ES512',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
];

/**
 * Loads the keys that the settings name. Without any, which only development may be, a key pair is made in `dataDir`.
 * @throws {ConfigError} if a key cannot be read
 */
export async function loadTokenKeys(source: KeySource | undefined, dataDir: string): Promise<TokenKeys> {
  if (!source) return pair(await developmentKey(dataDir), undefined);
  switch (source.kind) {
    case 'secret': {
      const key = new TextEncoder().encode(source.secret);
      return { verify: key, algorithms: ['HS256'], sign: { key, algorithm: 'HS256' } };
    }
    case 'jwks':
      return { verify: createRemoteJWKSet(new URL(source.url)), algorithms: jwksAlgorithms, sign: undefined };
    case 'pair':
      return pair(source.privateKey, source.publicKey);
  }
}

function pair(privateText: string | undefined, publicText: string | undefined): TokenKeys {
  const privateKey =
    privateText === undefined ? undefined : read('JWT_PRIVATE_KEY', () => createPrivateKey(keyInput(privateText)));
  const publicKey = read('JWT_PUBLIC_KEY', () =>
    createPublicKey(publicText === undefined ? (privateKey ?? '') : keyInput(publicText)),
  );
  const algorithm = algorithmOf(publicKey);
  if (privateKey && publicText !== undefined && !createPublicKey(privateKey).equals(publicKey)) {
    throw new ConfigError(['JWT_PRIVATE_KEY does not belong to JWT_PUBLIC_KEY']);
  }
  return { verify: publicKey, algorithms: [algorithm], sign: privateKey && { key: privateKey, algorithm } };
}

function keyInput(text: string) {
  if (!text.trimStart().startsWith('{')) return text;
  return { key: JSON.parse(text), format: 'jwk' as const };
}

function read<T>(name: string, load: () => T): T {
  try {
    return load();
  } catch (cause) {
    throw new ConfigError([`${name} is neither a PEM nor a JWK that can be read (${messageOf(cause)})`]);
  }
}

/** @see https://www.rfc-editor.org/rfc/rfc7518#section-3.1 */
function algorithmOf(key: KeyObject): string {
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (key.asymmetricKeyType === 'ed25519') return 'EdDSA';
  if (key.asymmetricKeyType === 'rsa') return 'RS256';
  if (curve === 'prime256v1') return 'ES256';
  if (curve === 'secp384r1') return 'ES384';
  if (curve === 'secp521r1') return 'ES512';
  throw new ConfigError([
    `JWT_PUBLIC_KEY is a key of type ${curve ?? key.asymmetricKeyType}; use Ed25519, P-256 or RSA`,
  ]);
}

function developmentKey(dataDir: string): Promise<string> {
  return readOrCreateFile(path.join(dataDir, 'jwt-key.json'), () =>
    JSON.stringify(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })),
  );
}
