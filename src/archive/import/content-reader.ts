import { createHash } from 'node:crypto';
import type { ManifestPart } from '../format/manifest.ts';
import { refused } from '../format/problem.ts';
import type { ArchiveEntry } from '../format/read.ts';

/** Reads an archive for the second time, entry by entry, and checks again that it is what its manifest says. */
export class ContentReader implements AsyncDisposable {
  readonly #entries: AsyncGenerator<ArchiveEntry>;

  constructor(entries: AsyncGenerator<ArchiveEntry>) {
    this.#entries = entries;
  }

  /**
   * Yields the content of the next entry.
   * @throws {AppError} BAD_USER_INPUT if it is another one than when the archive was checked
   */
  async *next(name: string, { bytes, sha256 }: ManifestPart): AsyncGenerator<Buffer> {
    const { value: entry } = await this.#entries.next();
    if (entry?.name !== name || entry.bytes !== bytes) throw changed();
    const hash = createHash('sha256');
    for await (const chunk of entry.content) {
      hash.update(chunk);
      yield chunk;
    }
    if (hash.digest('hex') !== sha256) throw changed();
  }

  /** Skips an entry. */
  async skip(): Promise<void> {
    const { value: entry } = await this.#entries.next();
    if (!entry) throw changed();
    for await (const _chunk of entry.content);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#entries.return(undefined);
  }
}

function changed() {
  return refused('was changed while it was being imported. Import it again');
}
