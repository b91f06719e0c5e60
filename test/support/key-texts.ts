import type { KeyObject } from 'node:crypto';

/** A key as settings have it, as PEM. */
export function pem(key: KeyObject): string {
  return key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' }).toString();
}

/** A key as settings have it, as JWK. */
export function jwk(key: KeyObject): string {
  return JSON.stringify(key.export({ format: 'jwk' }));
}
