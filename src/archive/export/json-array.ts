const BACKSLASH = 0x5c;
const NEWLINE = 0x0a;
const COMMA = 0x2c;
/** What follows a backslash in `COPY` text, and what both mean. Any other character stands for itself. */
const escapes = new Map([...'bfnrtv'].map((letter, index) => [letter.charCodeAt(0), '\b\f\n\r\t\v'.charCodeAt(index)]));

/**
 * Makes an array of JSON of `COPY` text whose rows have one column with JSON.
 * @param onRows called with the number of rows so far, for the last time at the end
 * @see https://www.postgresql.org/docs/current/sql-copy.html
 */
export async function* toJsonArray(
  chunks: AsyncIterable<Buffer>,
  onRows: (rows: number) => void,
): AsyncGenerator<Buffer> {
  let rows = 0;
  let isEscaped = false;
  /** The comma is written when another row follows. */
  let isRowEnd = true;
  yield Buffer.from('[');
  for await (const chunk of chunks) {
    const output = Buffer.allocUnsafe(chunk.length * 3);
    let size = 0;
    for (const byte of chunk) {
      if (isRowEnd) {
        if (rows > 0) output[size++] = COMMA;
        output[size++] = NEWLINE;
        isRowEnd = false;
      }
      if (isEscaped) {
        output[size++] = escapes.get(byte) ?? byte;
        isEscaped = false;
      } else if (byte === BACKSLASH) isEscaped = true;
      else if (byte === NEWLINE) {
        rows += 1;
        isRowEnd = true;
      } else output[size++] = byte;
    }
    onRows(rows);
    yield output.subarray(0, size);
  }
  yield Buffer.from(rows > 0 ? '\n]\n' : ']\n');
  onRows(rows);
}
