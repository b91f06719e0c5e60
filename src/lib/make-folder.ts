import { mkdir, mkdtemp, rmdir, stat } from 'node:fs/promises';
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

async function isFolder(name: string): Promise<boolean> {
  const found = await stat(name).catch(() => undefined);
  return found?.isDirectory() ?? false;
}
