import { constants, createWriteStream } from 'node:fs';
import { copyFile, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ByteRange, FileStore, StoredObject } from './file-store.ts';

/** The ending of a file that is being written. */
const PART = '.part';
const BUFFER_BYTES = 256 * 1024;

/** Stores each object as a file of a folder. A file appears under its name when it is complete and on the disk. */
export class FolderStore implements FileStore {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = path.resolve(folder);
  }

  async write(key: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    await this.#replace(this.#fileOf(key), (part) =>
      pipeline(bytes, createWriteStream(part, { mode: 0o600, flush: true, highWaterMark: BUFFER_BYTES })),
    );
  }

  async read(key: string, range: ByteRange, signal: AbortSignal): Promise<Readable | undefined> {
    const file = await ifThere(open(this.#fileOf(key), 'r'));
    return file?.createReadStream({ ...range, highWaterMark: BUFFER_BYTES, signal });
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    for (const name of (await ifThere(readdir(this.#fileOf(prefix)))) ?? []) {
      if (name.endsWith(PART)) continue;
      const key = prefix + name;
      const found = await ifThere(stat(this.#fileOf(key)));
      if (found) yield { key, size: found.size };
    }
  }

  async copyAll(from: string, to: string): Promise<void> {
    for await (const { key } of this.list(from)) {
      const copy = (part: string) => copyFile(this.#fileOf(key), part, constants.COPYFILE_FICLONE);
      await this.#replace(this.#fileOf(to + key.slice(from.length)), copy);
    }
  }

  async delete(key: string): Promise<void> {
    const file = this.#fileOf(key);
    await Promise.all([file, file + PART].map((name) => rm(name, { force: true })));
  }

  async deleteAll(prefix: string): Promise<void> {
    await rm(this.#fileOf(prefix), { recursive: true, force: true });
  }

  /** Lets `write` write a new file, which then takes the place of the old one. */
  async #replace(file: string, write: (part: string) => Promise<void>): Promise<void> {
    const part = file + PART;
    const folder = path.dirname(file);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    try {
      await write(part);
      await rename(part, file);
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
    await syncFolder(folder);
  }

  #fileOf(key: string): string {
    return path.join(this.#folder, key);
  }
}

/** Otherwise a power failure could undo the renaming. */
async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r');
  await handle.sync();
}

/** Returns undefined if the file or folder does not exist. */
async function ifThere<T>(work: Promise<T>): Promise<T | undefined> {
  return work.catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}
