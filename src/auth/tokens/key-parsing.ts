import { createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { ConfigError } from '../../config/config.ts';
import { messageOf } from '../../lib/errors.ts';

/** A public key with the id from its JWK. */
export interface NamedKey {
  readonly key: KeyObject;
  readonly id: string | undefined;
}

type KeyInput = string | { readonly key: JsonWebKey; readonly format: 'jwk' };

/**
 * Reads the public keys in a string: concatenated PEMs, a JWK, or a JWK set. From a private key it takes the public
 * part.
 * @param name the setting or file, for messages
 * @throws {ConfigError} if a key cannot be read
 */
export function readPublicKeys(name: string, text: string): NamedKey[] {
  return reading(name, () =>
    inputsOf(text).map((input) => ({
      key: createPublicKey(input),
      id: typeof input === 'string' || typeof input.key.kid !== 'string' ? undefined : input.key.kid,
    })),
  );
}

/**
 * Reads the first key in such a string, with its private part.
 * @throws {ConfigError} if it cannot be read or is not a private key
 */
export function readPrivateKey(name: string, text: string): KeyObject {
  return reading(name, () => createPrivateKey(inputsOf(text)[0] ?? text));
}

/** Reads a JWK or the keys of a JWK set from JSON. */
function jwksIn(text: string): JsonWebKey[] {
  const value = parseJson(text);
  const keys = typeof value === 'object' && value !== null && 'keys' in value ? value.keys : [value];
  if (!Array.isArray(keys) || keys.length === 0) throw new Error('the key set is empty');
  // Node's message would repeat a string that is in the place of a key.
  if (!keys.every((key) => typeof key === 'object' && key !== null))
    throw new Error('an element of the key set is not a key');
  return keys;
}

function inputsOf(text: string): readonly KeyInput[] {
  if (text.trimStart().startsWith('{')) return jwksIn(text).map((key) => ({ key, format: 'jwk' as const }));
  const [before = text, ...pems] = text.split('-----BEGIN ');
  return pems.length > 0 ? pems.map((pem) => `-----BEGIN ${pem}`) : [before];
}

/** The parser's own message would repeat part of the key. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('it is not valid JSON');
  }
}

function reading<T>(name: string, load: () => T): T {
  try {
    return load();
  } catch (cause) {
    throw new ConfigError([`${name} is not a readable PEM or JWK (${messageOf(cause)})`]);
  }
}
