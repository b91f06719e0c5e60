import { randomUUID } from 'node:crypto';
import { link, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { makeFolder } from './make-folder.ts';

/**
 * Reads a file that only its owner may read; if there is none, it is made with what `create` gives. Several processes may do
 * this at once, and all get the same text.
 */
export async function readOrCreateFile(file: string, create: () => string): Promise<string> {
  const existing = await readFile(file, 'utf8').catch(() => undefined);
  if (existing !== undefined) return existing;
  await makeFolder(path.dirname(file));
  const draft = `${file}.${randomUUID()}`;
  await writeFile(draft, create(), { mode: 0o600, flag: 'wx' });
  try {
    // A link appears with all its text or not at all, and fails if somebody was faster.
    await link(draft, file);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    await rm(draft, { force: true });
  }
  return readFile(file, 'utf8');
}
