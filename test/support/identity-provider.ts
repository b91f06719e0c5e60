import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { SignJWT } from 'jose';
import { listen } from './listen.ts';

/** One of an identity provider's keys. */
export interface ProviderKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** As it is published. */
  readonly jwk: object;
}

/** A server that publishes keys as Auth0, Keycloak and Clerk do, and somebody who signs with them. */
export interface TestProvider extends AsyncDisposable {
  readonly issuer: string;
  readonly jwksUrl: string;
  /** How often its keys were asked for. */
  readonly fetches: number;
  /** These are its keys from now on. */
  publish(...keys: readonly ProviderKey[]): void;
  /** It answers so from now on, until keys are published again. */
  answer(listener: RequestListener): void;
  /** A token of one hour, unless the claims say otherwise. */
  token(key: ProviderKey, claims: object, header?: object): Promise<string>;
}

/** Makes a key pair; `kid` is its name, and need not be unique. */
export function makeKey(kid: string, kind: 'ed25519' | 'rsa' = 'ed25519'): ProviderKey {
  const pair = kind === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ed25519');
  const alg = kind === 'rsa' ? 'RS256' : 'EdDSA';
  return { kid, alg, ...pair, jwk: { ...pair.publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' } };
}

/** Starts one on a free port. */
export async function startProvider(...keys: readonly ProviderKey[]): Promise<TestProvider> {
  let fetches = 0;
  let answer: RequestListener;
  const publish = (...published: readonly ProviderKey[]) => {
    const text = JSON.stringify({ keys: published.map(({ jwk }) => jwk) });
    answer = (_request, response) => response.setHeader('content-type', 'application/json').end(text);
  };
  publish(...keys);
  const server = await listen((request, response) => {
    fetches += 1;
    answer(request, response);
  });
  const issuer = `http://127.0.0.1:${server.port}/`;
  return {
    issuer,
    jwksUrl: `${issuer}.well-known/jwks.json`,
    get fetches() {
      return fetches;
    },
    publish,
    answer(listener) {
      answer = listener;
    },
    token: ({ kid, alg, privateKey }, claims, header = {}) =>
      new SignJWT({ iss: issuer, exp: Math.floor(Date.now() / 1000) + 3600, ...claims })
        .setProtectedHeader({ alg, kid, ...header })
        .sign(privateKey),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
