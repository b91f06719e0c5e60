import { randomUUID } from 'node:crypto';
import { link, mkdir, mkdtemp, readFile, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type AppError, badInput, messageOf } from './errors.ts';

/**
 * Creates a folder and its missing parents. Does nothing if it exists. Node's `recursive` option loops forever in a folder
 * that exists but returns ENOENT, such as /proc.
 * @throws {Error} the system's error for the first folder that cannot be created
 */
export async function makeFolder(folder: string): Promise<void> {
  if (await isFolder(folder)) return;
  const parent = path.dirname(folder);
  if (parent !== folder) await makeFolder(parent);
  await mkdir(folder).catch(async (error: unknown) => {
    // Another process may have created it first.
    if (!(await isFolder(folder))) throw error;
  });
}

/**
 * Checks whether a folder can be written to or created, by creating and removing a temporary folder in its nearest existing
 * parent.
 * @returns the system's reason why not; undefined if it can
 */
export async function unwritableReason(folder: string): Promise<string | undefined> {
  const parent = path.dirname(folder);
  const isThere = await stat(folder).catch(() => undefined);
  if (!isThere && parent !== folder) return unwritableReason(parent);
  try {
    await rmdir(await mkdtemp(path.join(folder, '.tenantry-')));
    return undefined;
  } catch (error) {
    // The rest of the message names the temporary folder.
    return messageOf(error).replace(/, \w+ '.*/, ` (${folder})`);
  }
}

/**
 * Reads a file that only its owner may read. If it does not exist, creates it with the text that `create` returns. Several
 * processes may do this at the same time; all get the same text.
 */
export async function readOrCreateFile(file: string, create: () => string): Promise<string> {
  const existing = await readFile(file, 'utf8').catch(() => undefined);
  if (existing !== undefined) return existing;
  await makeFolder(path.dirname(file));
  const draft = `${file}.${randomUUID()}`;
  await writeFile(draft, create(), { mode: 0o600, flag: 'wx' });
  try {
    // A link appears with its whole text or not at all, and fails if another process created the file first.
    await link(draft, file);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    await rm(draft, { force: true });
  }
  return readFile(file, 'utf8');
}

/**
 * Says in words why a file that somebody has named cannot be opened. It names the whole path, because a command may run in another
 * folder than its user expects: npm changes to the folder of the project.
 * @param field what the file was named with, such as `out`
 */
export function unopenable(field: string, file: string, use: 'read' | 'written', error: unknown): AppError {
  const whole = path.resolve(file);
  const folder = path.dirname(whole);
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'ENOENT':
      return badInput(field, use === 'read' ? `There is no file ${whole}` : `There is no folder ${folder}`);
    case 'ENOTDIR':
      return badInput(field, `A part of the path ${folder} is not a folder`);
    case 'EISDIR':
      return badInput(field, `${whole} is a folder. Name a file.`);
    case 'EACCES':
    case 'EPERM':
      return badInput(field, `You may not ${use === 'read' ? `read ${whole}` : `write to the folder ${folder}`}`);
    default:
      return badInput(field, `The file ${whole} cannot be ${use}: ${messageOf(error)}`);
  }
}

async function isFolder(name: string): Promise<boolean> {
  const found = await stat(name).catch(() => undefined);
  return found?.isDirectory() ?? false;
}
