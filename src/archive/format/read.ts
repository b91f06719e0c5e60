import type { FileHandle } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdDecompress } from 'node:zlib';
import { type Extract, extract } from 'tar-stream';
import { AppError, messageOf } from '../../lib/errors.ts';
import { type ArchiveLimits, RATIO_FROM_BYTES } from './limits.ts';
import { quoted, refused } from './problem.ts';

/** How much of a file is read, and how much is decompressed, at a time. */
const CHUNK_BYTES = 256 * 1024;
/** The memory that decompressing may need: 2 to the power of this, in bytes. What Tenantry writes needs 2 MB. */
const WINDOW_LOG = 23;
/** How many frames of zstd a file may have, and for how many bytes it may have one more: each takes milliseconds, however small. */
const FRAMES = 100;
const FRAME_BYTES = 4_096;
/** What every frame begins with, in bytes. */
const MAGIC_BYTES = 4;

/** An entry of an archive. Its content must be read before the next entry. */
export interface ArchiveEntry {
  readonly name: string;
  readonly bytes: number;
  readonly content: AsyncIterable<Buffer>;
}

/** Where an archive is read from. */
export interface ArchiveSource {
  readonly file: FileHandle;
  /** The size of the file. */
  readonly bytes: number;
  /** Called with the number of bytes of the file that have been read. */
  readonly onRead?: (bytes: number) => void;
}

/**
 * Reads the entries of an archive, in order. Nothing but ordinary files with plain names passes. It ends when the archive has
 * been read to the file's last byte.
 * @throws {AppError} BAD_USER_INPUT if the file is no archive, is damaged or cut off, or exceeds a limit
 */
export async function* readEntries(
  source: ArchiveSource,
  limits: ArchiveLimits,
  signal: AbortSignal,
): AsyncGenerator<ArchiveEntry> {
  const entries = extract();
  const stop = new AbortController();
  const reading = decompress(source, entries, limits, AbortSignal.any([signal, stop.signal]));
  // It is awaited at the end, and destroys the entries when it fails.
  reading.catch(() => undefined);
  try {
    let count = 0;
    for await (const entry of entries) {
      count += 1;
      if (count > limits.maxEntries)
        throw refused(`has more than ${limits.maxEntries} entries. To accept it, raise --max-entries`);
      yield checkedEntry(entry);
    }
    await reading;
  } catch (error) {
    signal.throwIfAborted();
    throw explain(error);
  } finally {
    stop.abort();
    await reading.catch(() => undefined);
  }
}

type TarEntry = Extract extends AsyncIterable<infer Entry> ? Entry : never;

function checkedEntry(entry: TarEntry): ArchiveEntry {
  const { name, type, size, linkname, pax } = entry.header;
  if (type !== 'file' || linkname) {
    throw refused(`has the entry ${quoted(name)}, which is not an ordinary file (${type ?? 'of an unknown kind'})`);
  }
  if (pax) throw refused(`has the entry ${quoted(name)} with an extended header, which Tenantry does not write`);
  if (!Number.isSafeInteger(size)) throw refused(`has the entry ${quoted(name)} with an impossible size`);
  return { name, bytes: size, content: contentOf(entry) };
}

/** Whoever reads it gets the error of a damaged archive first. */
async function* contentOf(entry: TarEntry): AsyncGenerator<Buffer> {
  try {
    // The stream has no encoding, so it yields buffers.
    for await (const chunk of entry) yield chunk as Buffer;
  } catch (error) {
    throw explain(error);
  }
}

/**
 * Writes the decompressed file to `entries`, and destroys them if that fails. The file has one frame of zstd, or several, as those
 * of pzstd have. A decoder of Node ends with the first one.
 * @see https://www.rfc-editor.org/rfc/rfc8878#name-zstandard-frames
 */
async function decompress(
  { file, bytes, onRead }: ArchiveSource,
  entries: Extract,
  limits: ArchiveLimits,
  signal: AbortSignal,
): Promise<void> {
  let size = 0;
  const write = async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) {
      size += chunk.length;
      checkSize(size, bytes, limits);
      if (!entries.write(chunk)) await taken(entries);
      // Nobody reads them now.
      if (entries.destroying) return;
    }
  };
  try {
    let start = 0;
    for (let frame = 1; (frame === 1 || start < bytes) && !entries.destroying; frame += 1) {
      if (frame > FRAMES + bytes / FRAME_BYTES)
        throw refused(`has ${frame} or more frames of zstd in few bytes. Decompress it, and compress it again`);
      if (frame > 1 && bytes - start < MAGIC_BYTES) throw bytesAfterEnd();
      const from = start;
      const zstd = decoder();
      await pipeline(() => readFrame(file, from, zstd, onRead), zstd, write, { signal }).catch((error: unknown) => {
        throw frame > 1 && codeOf(error) === 'ZSTD_error_prefix_unknown' ? bytesAfterEnd(error) : error;
      });
      start += zstd.bytesWritten;
    }
    entries.end(null);
  } catch (error) {
    entries.destroy(error instanceof Error ? error : new Error(messageOf(error)));
    throw error;
  }
}

function decoder() {
  return createZstdDecompress({
    chunkSize: CHUNK_BYTES,
    params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG },
  });
}

function bytesAfterEnd(cause?: unknown): AppError {
  return refused('has bytes after its end', cause);
}

function checkSize(size: number, fileBytes: number, { maxBytes, maxRatio }: ArchiveLimits): void {
  if (size > maxBytes)
    throw refused(`has more than ${maxBytes} bytes when it is decompressed. To accept it, raise --max-size`);
  if (size > RATIO_FROM_BYTES && size / fileBytes > maxRatio)
    throw refused(
      `decompresses to more than ${maxRatio} times its size, as archives do that are made to fill disks. To accept it, set --max-size`,
    );
}

/**
 * Reads a file from a position, whatever has been read from it before, until a frame has ended. The decoder would leave out the rest
 * of that piece and take the next one for the beginning of a frame.
 */
async function* readFrame(
  file: FileHandle,
  start: number,
  decoded: { readonly bytesWritten: number },
  onRead: ((bytes: number) => void) | undefined,
): AsyncGenerator<Buffer> {
  for (let position = start; ; ) {
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    onRead?.(position);
    yield buffer.subarray(0, bytesRead);
    // A piece is larger than what the decoder buffers, so it has been decoded here unless it is the last one of the file.
    if (decoded.bytesWritten < position - start) return;
  }
}

/** Waits until the entries take more, or are closed. If they are already, there will be no event. */
function taken(entries: Extract): Promise<void> {
  if (entries.destroying) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      entries.off('drain', done);
      entries.off('close', done);
      resolve();
    };
    entries.on('drain', done);
    entries.on('close', done);
  });
}

/** Says what is wrong with the file, where a library has found out. */
function explain(error: unknown): unknown {
  if (error instanceof AppError) return error;
  const code = codeOf(error);
  const message = messageOf(error);
  if (code === 'ZSTD_error_prefix_unknown')
    return refused(
      'is not one of Tenantry: it is not compressed with zstd. Zip files from --format csv or json cannot be imported',
      error,
    );
  if (code === 'Z_BUF_ERROR' || message === 'Unexpected end of data')
    return refused('is incomplete: it ends too early. Copy or export it again', error);
  if (code === 'ZSTD_error_frameParameter_windowTooLarge')
    return refused('needs more memory to decompress than those that Tenantry writes', error);
  if (typeof code === 'string' && code.startsWith('ZSTD_')) return refused(`is damaged (${message})`, error);
  if (/tar header|Invalid header|Header exceeds/.test(message))
    return refused('is damaged: it is not a valid tar file', error);
  return error;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
