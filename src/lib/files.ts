import { randomUUID } from 'node:crypto';
import { link, mkdir, mkdtemp, readFile, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { messageOf } from './errors.ts';

/**
 * Makes a folder, and those above it that are missing; nothing happens if it is there. Node's `recursive` tries for ever
 * where a folder that exists says ENOENT, as /proc does.
 * @throws {Error} what the system says of the first folder that cannot be made
 */
export async function makeFolder(folder: string): Promise<void> {
  if (await isFolder(folder)) return;
  const parent = path.dirname(folder);
  if (parent !== folder) await makeFolder(parent);
  await mkdir(folder).catch(async (error: unknown) => {
    // Another process may have been faster.
    if (!(await isFolder(folder))) throw error;
  });
}

/**
 * Finds out whether a folder can be written to, or made, by trying it in the nearest one that is there; nothing is left.
 * @returns why not, as the system says it; undefined if it can
 */
export async function unwritableReason(folder: string): Promise<string | undefined> {
  const parent = path.dirname(folder);
  const isThere = await stat(folder).catch(() => undefined);
  if (!isThere && parent !== folder) return unwritableReason(parent);
  try {
    await rmdir(await mkdtemp(path.join(folder, '.tenantry-')));
    return undefined;
  } catch (error) {
    // The rest names the folder that was tried.
    return messageOf(error).replace(/, \w+ '.*/, ` (${folder})`);
  }
}

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

async function isFolder(name: string): Promise<boolean> {
  const found = await stat(name).catch(() => undefined);
  return found?.isDirectory() ?? false;
}
