import { createPublicKey, randomUUID } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { readPublicKeys } from './key-parsing.ts';
import { newPrivateJwk, publishedKeys, readDevelopmentKeys, type TokenKeys } from './keys.ts';

/**
 * Adds a new development key, which signs from the next start of a server on. Only the public parts of the older keys
 * are kept; they verify tokens until somebody removes them from the file.
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

/**
 * Returns the values of JWT_PRIVATE_KEY and JWT_PUBLIC_KEY with which a new key signs and the current keys still
 * verify.
 */
export function newKeySettings(now: TokenKeys): { readonly privateKey: string; readonly publicKeys: string } {
  const key = newPrivateJwk();
  const publicKey = createPublicKey({ key, format: 'jwk' }).export({ format: 'jwk' });
  return { privateKey: JSON.stringify(key), publicKeys: JSON.stringify({ keys: [publicKey, ...publishedKeys(now)] }) };
}
