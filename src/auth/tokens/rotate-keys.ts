import { createPublicKey, randomUUID } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { readPublicKeys } from './key-parsing.ts';
import { newPrivateJwk, publishedKeys, readDevelopmentKeys, type TokenKeys } from './keys.ts';

/**
 * Puts a new key before those of development. It signs from the next start of a server on; of the others only the public parts
 * are kept, which go on verifying until somebody takes them out of the file.
 * @returns the file
 */
export async function rotateDevelopmentKeys(dataDir: string): Promise<string> {
  const { file, text } = await readDevelopmentKeys(dataDir);
  const older = readPublicKeys(file, text).map(({ key }) => key.export({ format: 'jwk' }));
  const draft = `${file}.${randomUUID()}`;
  try {
    await writeFile(draft, JSON.stringify({ keys: [newPrivateJwk(), ...older] }), { mode: 0o600, flag: 'wx' });
    await rename(draft, file);
  } finally {
    await rm(draft, { force: true });
  }
  return file;
}

/** What JWT_PRIVATE_KEY and JWT_PUBLIC_KEY are to be, that a new key may sign and those of now may go on verifying. */
export function newKeySettings(now: TokenKeys): { readonly privateKey: string; readonly publicKeys: string } {
  const key = newPrivateJwk();
  const publicKey = createPublicKey({ key, format: 'jwk' }).export({ format: 'jwk' });
  return { privateKey: JSON.stringify(key), publicKeys: JSON.stringify({ keys: [publicKey, ...publishedKeys(now)] }) };
}
