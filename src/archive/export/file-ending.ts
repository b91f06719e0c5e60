/** How files of well-known kinds begin, and the endings that their names have. */
const beginnings: readonly (readonly [ending: string, bytes: Buffer, at?: number])[] = [
  ['pdf', Buffer.from('%PDF-')],
  ['png', Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')],
  ['jpg', Buffer.from('\xff\xd8\xff', 'latin1')],
  ['gif', Buffer.from('GIF8')],
  ['webp', Buffer.from('WEBP'), 8],
  ['mp4', Buffer.from('ftyp'), 4],
  ['zip', Buffer.from('PK\x03\x04', 'latin1')],
  ['gz', Buffer.from('\x1f\x8b', 'latin1')],
];

/** A name that has an ending. */
const hasEnding = /\.[a-z0-9]{1,5}$/i;

/**
 * Finds the ending for the name of a file, so that programs open it.
 * @returns such as `.pdf`; empty if the name has one, or the kind of the file is unknown
 */
export function endingOf(name: string, start: Uint8Array): string {
  if (hasEnding.test(name)) return '';
  const bytes = Buffer.from(start.buffer, start.byteOffset, start.byteLength);
  const found = beginnings.find(([, wanted, at = 0]) => bytes.subarray(at, at + wanted.length).equals(wanted));
  return found ? `.${found[0]}` : '';
}

/** Reads the first chunk of a file, and returns all of it. */
export async function peek(
  content: AsyncIterable<Uint8Array>,
): Promise<{ readonly start: Uint8Array; readonly all: AsyncIterable<Uint8Array> }> {
  const chunks = content[Symbol.asyncIterator]();
  const first = await chunks.next();
  const start = first.done ? new Uint8Array() : first.value;
  async function* all() {
    try {
      yield start;
      for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
    } finally {
      await chunks.return?.();
    }
  }
  return { start, all: all() };
}
