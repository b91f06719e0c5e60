import { createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { ConfigError } from '../../config/config.ts';
import { messageOf } from '../../lib/errors.ts';

/** A public key, with the name that its JWK has for it. */
export interface NamedKey {
  readonly key: KeyObject;
  readonly id: string | undefined;
}

type KeyInput = string | { readonly key: JsonWebKey; readonly format: 'jwk' };

/**
 * The public keys in a text: PEMs one after the other, a JWK, or a set of JWKs. Of a private key it is the public part.
 * @param name of the setting or file, for messages
 * @throws {ConfigError} if one cannot be read
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
 * The first key in such a text, with its private part.
 * @throws {ConfigError} if it cannot be read, or is no private key
 */
export function readPrivateKey(name: string, text: string): KeyObject {
  return reading(name, () => createPrivateKey(inputsOf(text)[0] ?? text));
}

/** The JWKs of a text that is JSON: the one that it is, or those of the set. */
function jwksIn(text: string): JsonWebKey[] {
  const value = parseJson(text);
  const keys = typeof value === 'object' && value !== null && 'keys' in value ? value.keys : [value];
  if (!Array.isArray(keys) || keys.length === 0) throw new Error('it is a set without keys');
  // Node's message would repeat a text that stands in the place of a key.
  if (!keys.every((key) => typeof key === 'object' && key !== null)) throw new Error('what it has for a key is none');
  return keys;
}

function inputsOf(text: string): readonly KeyInput[] {
  if (text.trimStart().startsWith('{')) return jwksIn(text).map((key) => ({ key, format: 'jwk' as const }));
  const [before = text, ...pems] = text.split('-----BEGIN ');
  return pems.length > 0 ? pems.map((pem) => `-----BEGIN ${pem}`) : [before];
}

/** The parser's own message would repeat a part of the key. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('it begins like JSON and is none');
  }
}

function reading<T>(name: string, load: () => T): T {
  try {
    return load();
  } catch (cause) {
    throw new ConfigError([`${name} is neither a PEM nor a JWK that can be read (${messageOf(cause)})`]);
  }
}
