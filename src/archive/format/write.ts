import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress } from 'node:zlib';
import { type Pack, pack } from 'tar-stream';
import type { ManifestPart } from './manifest.ts';
import { flushed, writeTo } from './output.ts';

/** How many bytes of an archive are compressed at a time. */
const CHUNK_BYTES = 256 * 1024;

/** Writes a compressed tar, one entry after the other. Each call waits until the destination has taken what was written. */
export class ArchiveWriter {
  readonly #pack: Pack = pack();
  readonly #at: Date;
  readonly #done: Promise<void>;
  #bytes = 0;

  /**
   * @param destination is left open
   * @param at the time that all entries have
   */
  constructor(destination: Writable, at: Date, signal: AbortSignal) {
    this.#at = at;
    const compress = createZstdCompress({
      chunkSize: CHUNK_BYTES,
      params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 },
    });
    this.#done = this.#run(compress, destination, signal);
    // Reported by the next call.
    this.#done.catch(() => undefined);
  }

  /** The number of compressed bytes so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds an entry. */
  async add(name: string, content: Buffer): Promise<ManifestPart> {
    await this.#write((written) => {
      this.#pack.entry({ name, size: content.length, mtime: this.#at }, content, written);
    });
    return { bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') };
  }

  /**
   * Adds an entry whose content is not in memory.
   * @param bytes the size of the content
   * @throws {Error} if the content has another size
   */
  async addStream(name: string, bytes: number, content: AsyncIterable<Uint8Array>): Promise<ManifestPart> {
    const hash = createHash('sha256');
    let size = 0;
    await this.#write((written) => {
      const entry = this.#pack.entry({ name, size: bytes, mtime: this.#at }, written);
      const write = async () => {
        for await (const chunk of content) {
          hash.update(chunk);
          size += chunk.length;
          if (!entry.write(chunk)) await Promise.race([once(entry, 'drain'), this.#failure()]);
        }
        if (size !== bytes) throw new Error(`${name} has ${size} bytes instead of ${bytes}`);
        entry.end(null);
      };
      write().catch((error: unknown) => this.#pack.destroy(asError(error)));
    });
    return { bytes, sha256: hash.digest('hex') };
  }

  /** Ends the archive. */
  async finish(): Promise<void> {
    this.#pack.finalize();
    await this.#done;
  }

  /** Stops writing. What has been written is not a valid archive. */
  async abandon(): Promise<void> {
    this.#pack.destroy();
    await this.#done.catch(() => undefined);
  }

  async #write(start: (written: (error?: Error | null) => void) => void): Promise<void> {
    const entry = Promise.withResolvers<void>();
    // The pack fails when the destination does.
    const failure = this.#failure();
    // An entry that was cut off does not know why.
    start((error) => (error ? this.#done.then(() => entry.reject(error), entry.reject) : entry.resolve()));
    await Promise.race([entry.promise, failure]);
  }

  /** Rejects when writing fails, with its cause; never resolves before. */
  async #failure(): Promise<never> {
    await this.#done;
    throw new Error('The archive has ended');
  }

  async #run(compress: ReturnType<typeof createZstdCompress>, destination: Writable, signal: AbortSignal) {
    const entries = this.#pack;
    try {
      await pipeline(
        async function* () {
          for await (const chunk of entries) yield chunk;
        },
        compress,
        async (chunks: AsyncIterable<Buffer>) => {
          for await (const chunk of chunks) {
            this.#bytes += chunk.length;
            await writeTo(destination, chunk, signal);
          }
          await flushed(destination);
        },
        { signal },
      );
    } catch (error) {
      entries.destroy(asError(error));
      throw error;
    }
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
