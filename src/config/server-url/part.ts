/**
 * What is wrong with the URL of a server. The message follows what the URL is called. It repeats only what cannot be a part of a
 * password, also where the password makes a URL that is misread.
 */
export class ServerUrlError extends Error {
  override readonly name = 'ServerUrlError';
}

/** A URL with all that most have, for messages. */
export const EXAMPLE_URL = 'postgres://user:password@host:5432/postgres';

/**
 * Decodes the escapes of a part of a URL.
 * @param what the part's name in messages
 * @throws {ServerUrlError}
 */
export function decodePart(text: string, what: string): string {
  const decoded = decode(text);
  if (decoded === undefined) {
    throw new ServerUrlError(`has a % in its ${what} that begins no escape of UTF-8; write % itself as %25`);
  }
  // In PostgreSQL's protocol, it ends a text.
  if (decoded.includes('\0')) throw new ServerUrlError(`has %00 in its ${what}, which PostgreSQL does not accept`);
  return decoded;
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
