import { randomBytes } from 'node:crypto';

/** A password that is easy to find wherever it should not be, and needs escaping in a URL. */
export function tellTalePassword(): string {
  return `p@ss/${randomBytes(12).toString('hex')}`;
}
