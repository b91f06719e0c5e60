import { Readable, type Writable } from 'node:stream';
import { ZipFile } from 'yazl';
import { flushed, writeTo } from '../format/output.ts';

/** The longest part of a path. Most file systems allow 255 bytes, and a character has up to four. */
const MAX_NAME = 60;

/** Writes a zip file, one entry after the other. Each call waits until the destination has taken what was written. */
export class ZipWriter {
  readonly #zip = new ZipFile();
  readonly #at: Date;
  readonly #done: Promise<void>;
  readonly #names = new Set<string>();
  #bytes = 0;

  /**
   * @param destination is left open
   * @param at the time that all entries have
   */
  constructor(destination: Writable, at: Date, signal: AbortSignal) {
    this.#at = at;
    this.#done = this.#run(destination, signal);
    // Reported by the next call.
    this.#done.catch(() => undefined);
  }

  /** The number of compressed bytes so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Adds an entry.
   * @param folder the folder that it is in
   * @param name is changed where it could not be the name of a file, or is taken
   */
  async add(folder: string, name: string, content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    const source = Readable.from(content, { objectMode: false });
    const written = new Promise<void>((resolve, reject) => {
      source.once('end', resolve).once('error', reject);
    });
    const failed = this.#done.then(() => {
      throw new Error('The zip file has ended');
    });
    this.#zip.addReadStream(source, this.#free(folder, name), { mtime: this.#at });
    try {
      await Promise.race([written, failed]);
    } finally {
      source.destroy();
    }
  }

  /** Ends the file. */
  async finish(): Promise<void> {
    this.#zip.end();
    await this.#done;
  }

  /** Stops writing. What has been written is not a valid zip file. */
  async abandon(): Promise<void> {
    const { outputStream } = this.#zip;
    // It is a PassThrough, which its type does not say.
    if (outputStream instanceof Readable) outputStream.destroy();
    await this.#done.catch(() => undefined);
  }

  async #run(destination: Writable, signal: AbortSignal): Promise<void> {
    for await (const chunk of this.#zip.outputStream) {
      // The stream has no encoding.
      const bytes = chunk as Buffer;
      this.#bytes += bytes.length;
      await writeTo(destination, bytes, signal);
    }
    await flushed(destination);
  }

  /** Returns a name that no other entry has, also where case does not count. */
  #free(folder: string, name: string): string {
    const plain = plainName(name);
    for (let number = 1; ; number += 1) {
      const path = `${folder}${number === 1 ? plain : numbered(plain, number)}`;
      if (this.#names.has(path.toLowerCase())) continue;
      this.#names.add(path.toLowerCase());
      return path;
    }
  }
}

/** Returns a name that every file system can store: a single part of a path, without characters that mean something. */
function plainName(name: string): string {
  const dot = name.lastIndexOf('.');
  const ending = dot > 0 && name.length - dot <= 10 ? name.slice(dot) : '';
  const shortened = name.length > MAX_NAME ? name.slice(0, MAX_NAME - ending.length) + ending : name;
  const plain = shortened.toWellFormed().replace(/[\p{Cc}/\\:*?"<>|]/gu, '_');
  return /^\.*$/.test(plain) ? '_' : plain;
}

function numbered(name: string, number: number): string {
  const dot = name.lastIndexOf('.');
  return dot > 0 ? `${name.slice(0, dot)} (${number})${name.slice(dot)}` : `${name} (${number})`;
}
