import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { unopenable } from '../../lib/files.ts';
import { refused } from '../format/problem.ts';
import type { ArchiveSource } from '../format/read.ts';

/** An open archive. Disposing of it closes the file. */
export type OpenArchive = ArchiveSource & AsyncDisposable;

/**
 * Opens an archive, which is read twice. What cannot be read twice, such as a pipe, is copied to a temporary file first.
 * @param name the file's name; `-` is standard input
 * @param maxBytes the most that a temporary file may have
 * @throws {AppError} BAD_USER_INPUT if there is more, or the file cannot be opened
 */
export async function openArchive(
  name: string,
  stdin: NodeJS.ReadableStream,
  maxBytes: number,
  signal: AbortSignal,
): Promise<OpenArchive> {
  if (name === '-') return spool(stdin, maxBytes, signal);
  const file = await open(name, 'r').catch((error: unknown) => {
    throw unopenable('file', name, 'read', error);
  });
  try {
    const found = await file.stat();
    if (found.isDirectory()) throw new Error(`${name} is a folder. Name the file of an archive.`);
    if (found.isFile()) return opened(file, found.size);
    // The stream closes the file.
    return await spool(file.createReadStream(), maxBytes, signal);
  } catch (error) {
    await file.close().catch(() => undefined);
    throw error;
  }
}

function opened(file: FileHandle, bytes: number): OpenArchive {
  return { file, bytes, [Symbol.asyncDispose]: () => file.close() };
}

/** The file no longer has a name when this returns, so nothing of it is left even if the process is killed. */
async function spool(input: NodeJS.ReadableStream, maxBytes: number, signal: AbortSignal): Promise<OpenArchive> {
  const name = path.join(tmpdir(), `tenantry-import-${randomUUID()}`);
  const file = await open(name, 'wx+', 0o600);
  try {
    await rm(name);
    let bytes = 0;
    for await (const chunk of input) {
      signal.throwIfAborted();
      const buffer = Buffer.from(chunk);
      bytes += buffer.length;
      if (bytes > maxBytes) throw refused(`is larger than ${maxBytes} bytes. To accept it, raise --max-size`);
      await file.writeFile(buffer);
    }
    return opened(file, bytes);
  } catch (error) {
    await file.close();
    throw error;
  }
}
