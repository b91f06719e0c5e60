import { countLines } from './count-lines.ts';

/** The length of the header of `COPY`'s binary format when it has no extension, in bytes. */
const HEADER_BYTES = 19;
const FIELD_COUNT_BYTES = 2;
const LENGTH_BYTES = 4;

/** Counts the rows in what `COPY … TO STDOUT` sends. Its parts may end anywhere. */
export interface RowCounter {
  /** The number of rows that have begun in binary format, or ended in text format. */
  readonly rows: number;
  count(part: Buffer): void;
}

/** @see https://www.postgresql.org/docs/current/sql-copy.html */
export function createRowCounter(format: 'binary' | 'text'): RowCounter {
  return format === 'binary' ? new BinaryRows() : new TextRows();
}

class TextRows implements RowCounter {
  rows = 0;

  count(part: Buffer): void {
    this.rows += countLines(part);
  }
}

/** Each row is the number of its fields, then the length and the bytes of each. The length -1 is NULL, the number -1 the end. */
class BinaryRows implements RowCounter {
  rows = 0;
  /** How many bytes of no interest come next. */
  #skip = HEADER_BYTES;
  /** How many fields of the current row come next. */
  #fields = 0;
  /** The number that a part has cut, so far. */
  #cut = 0;
  #cutBytes = 0;

  count(part: Buffer): void {
    let at = 0;
    while (at < part.length) {
      const skipped = Math.min(this.#skip, part.length - at);
      at += skipped;
      this.#skip -= skipped;
      if (this.#skip > 0 || at === part.length) return;
      const size = this.#fields === 0 ? FIELD_COUNT_BYTES : LENGTH_BYTES;
      if (this.#cutBytes === 0 && part.length - at >= size) {
        this.#take(size === FIELD_COUNT_BYTES ? part.readInt16BE(at) : part.readInt32BE(at));
        at += size;
        continue;
      }
      this.#cut = (this.#cut << 8) | part.readUInt8(at);
      this.#cutBytes += 1;
      at += 1;
      if (this.#cutBytes < size) continue;
      const number = size === FIELD_COUNT_BYTES ? (this.#cut << 16) >> 16 : this.#cut;
      this.#cut = 0;
      this.#cutBytes = 0;
      this.#take(number);
    }
  }

  #take(number: number): void {
    if (this.#fields > 0) {
      this.#fields -= 1;
      this.#skip = Math.max(0, number);
    } else if (number >= 0) {
      this.rows += 1;
      this.#fields = number;
    }
  }
}
