import { createPrivateKey, createPublicKey, generateKeyPairSync, type JsonWebKey, type KeyObject } from 'node:crypto';
import path from 'node:path';
import { createRemoteJWKSet, errors, type JWTVerifyGetKey } from 'jose';
import type { Logger } from 'pino';
import { ConfigError, type KeySource } from '../config.ts';
import { AppError, messageOf } from '../errors.ts';
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

const MIN_RSA_BITS = 2048;

/**
 * Loads the keys that the settings name. Without any, which only development may be, a key pair is made in `dataDir`.
 * @throws {ConfigError} if a key cannot be read
 */
export async function loadTokenKeys(source: KeySource | undefined, dataDir: string, log: Logger): Promise<TokenKeys> {
  if (!source) return developmentKeys(dataDir);
  switch (source.kind) {
    case 'secret': {
      const key = new TextEncoder().encode(source.secret);
      return { verify: key, algorithms: ['HS256'], sign: { key, algorithm: 'HS256' } };
    }
    case 'jwks':
      return { verify: remoteKeys(source.url, log), algorithms: jwksAlgorithms, sign: undefined };
    case 'pair': {
      const { publicKey, privateKey } = source;
      return pair(
        read('JWT_PUBLIC_KEY', () => createPublicKey(keyInput(publicKey))),
        privateKey === undefined ? undefined : read('JWT_PRIVATE_KEY', () => createPrivateKey(keyInput(privateKey))),
      );
    }
  }
}

/** The keys that an identity provider publishes: fetched with the first token, and again when one names a key that is new. */
function remoteKeys(url: string, log: Logger): JWTVerifyGetKey {
  const find = createRemoteJWKSet(new URL(url));
  return async (header, token) => {
    try {
      return await find(header, token);
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) throw error;
      log.warn({ err: error }, 'the keys at JWT_JWKS_URL cannot be fetched, so no token can be verified');
      const message = 'The token cannot be verified at present, for its issuer’s keys cannot be fetched';
      throw new AppError('UNAUTHENTICATED', message, { cause: error });
    }
  };
}

function pair(publicKey: KeyObject, privateKey: KeyObject | undefined): TokenKeys {
  const algorithm = algorithmOf(publicKey);
  if (privateKey && !createPublicKey(privateKey).equals(publicKey)) {
    throw new ConfigError(['JWT_PRIVATE_KEY does not belong to JWT_PUBLIC_KEY']);
  }
  return { verify: publicKey, algorithms: [algorithm], sign: privateKey && { key: privateKey, algorithm } };
}

function keyInput(text: string) {
  if (!text.trimStart().startsWith('{')) return text;
  return { key: parseJwk(text), format: 'jwk' as const };
}

/** The parser's own message would repeat a part of the key. */
function parseJwk(text: string): JsonWebKey {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('it begins like JSON and is none');
  }
}

function read<T>(name: string, load: () => T): T {
  try {
    return load();
  } catch (cause) {
    throw new ConfigError([`${name} is neither a PEM nor a JWK that can be read (${messageOf(cause)})`]);
  }
}

/** @see https://www.rfc-editor.org/rfc/rfc7518#section-3 */
function algorithmOf(key: KeyObject): string {
  const { namedCurve: curve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'rsa' && modulusLength < MIN_RSA_BITS) {
    throw new ConfigError([`JWT_PUBLIC_KEY has ${modulusLength} bits; a key of RSA needs ${MIN_RSA_BITS} or more`]);
  }
  if (key.asymmetricKeyType === 'ed25519') return 'EdDSA';
  if (key.asymmetricKeyType === 'rsa') return 'RS256';
  if (curve === 'prime256v1') return 'ES256';
  if (curve === 'secp384r1') return 'ES384';
  if (curve === 'secp521r1') return 'ES512';
  throw new ConfigError([
    `JWT_PUBLIC_KEY is a key of type ${curve ?? key.asymmetricKeyType}; use Ed25519, P-256 or RSA`,
  ]);
}

async function developmentKeys(dataDir: string): Promise<TokenKeys> {
  const file = path.join(dataDir, 'jwt-key.json');
  const text = await readOrCreateFile(file, () =>
    JSON.stringify(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })),
  );
  const privateKey = read(file, () => createPrivateKey(keyInput(text)));
  return pair(createPublicKey(privateKey), privateKey);
}
