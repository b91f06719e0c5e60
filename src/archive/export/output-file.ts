import { open, rename, rm, stat } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { unopenable } from '../../lib/files.ts';

/** The ending of a file that is being written. */
const PART = '.part';
const CHUNK_BYTES = 256 * 1024;

/**
 * Writes a file that only its owner may read. It appears under its name when it is complete and on the disk. After a failure nothing
 * is left.
 * @param mayReplace whether a file of that name may be replaced
 * @throws {AppError} BAD_USER_INPUT if the file cannot be created
 * @throws {Error} if there is a file of that name that may not be replaced, or another process is writing it
 */
export async function writeFileWhole<T>(
  file: string,
  mayReplace: boolean,
  write: (output: Writable) => Promise<T>,
): Promise<T> {
  const there = await stat(file).catch(() => undefined);
  if (there && !there.isFile()) throw new Error(`${file} is not a file, so it cannot be replaced`);
  if (there && !mayReplace) throw alreadyThere(file);
  const part = file + PART;
  const handle = await open(part, 'wx', 0o600).catch((error: unknown) => {
    throw isExisting(error) ? beingWritten(file, part, error) : unopenable('out', file, 'written', error);
  });
  const output = handle.createWriteStream({ flush: true, highWaterMark: CHUNK_BYTES });
  // Writing to it rejects with the same error.
  output.on('error', () => undefined);
  try {
    const result = await write(output);
    output.end();
    await finished(output);
    if (!mayReplace && (await stat(file).catch(() => undefined))) throw alreadyThere(file);
    await rename(part, file);
    return result;
  } catch (error) {
    output.destroy();
    await finished(output).catch(() => undefined);
    await rm(part, { force: true });
    throw error;
  }
}

function alreadyThere(file: string): Error {
  return new Error(`${file} exists already. Nothing was written. Name another file, or replace it with --force.`);
}

function isExisting(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EEXIST';
}

function beingWritten(file: string, part: string, cause: unknown): Error {
  const message = `${part} exists: another command is writing ${file}, or was killed. If none is running, delete ${part} and try again.`;
  return new Error(message, { cause });
}
