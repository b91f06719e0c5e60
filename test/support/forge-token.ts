import { createHmac, type KeyObject, sign } from 'node:crypto';

/** The second that it is. */
export const now = () => Math.floor(Date.now() / 1000);

/** A part of a token. */
export const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token whose header may say anything. */
export function forge(header: object, payload: object, signature: (input: string) => Buffer): string {
  const input = `${part(header)}.${part(payload)}`;
  return `${input}.${signature(input).toString('base64url')}`;
}

export const rs256 = (key: KeyObject) => (input: string) => sign('sha256', Buffer.from(input), key);
export const hs256 = (secret: string) => (input: string) => createHmac('sha256', secret).update(input).digest();
export const unsigned = () => Buffer.alloc(0);
