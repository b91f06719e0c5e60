/** Reads the fields of a message of PostgreSQL's protocol, one after the other. Integers are big-endian. */
export class ByteReader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** One byte as a character, such as the kind of a message. */
  letter(): string {
    return String.fromCharCode(this.uint8());
  }

  uint8(): number {
    return this.#bytes.readUInt8(this.#forward(1));
  }

  uint16(): number {
    return this.#bytes.readUInt16BE(this.#forward(2));
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#forward(4));
  }

  uint32(): number {
    return this.#bytes.readUInt32BE(this.#forward(4));
  }

  uint64(): bigint {
    return this.#bytes.readBigUInt64BE(this.#forward(8));
  }

  /** A text that ends with a zero byte. */
  text(): string {
    const end = this.#bytes.indexOf(0, this.#offset);
    if (end < 0) throw new RangeError('A text in a message of PostgreSQL has no end');
    const text = this.#bytes.toString('utf8', this.#offset, end);
    this.#offset = end + 1;
    return text;
  }

  /** A text of a given number of bytes. */
  textOf(length: number): string {
    const start = this.#forward(length);
    return this.#bytes.toString('utf8', start, start + length);
  }

  /** What is left, without a copy of it. */
  rest(): Buffer {
    return this.#bytes.subarray(this.#offset);
  }

  /** @throws {RangeError} if the message is shorter, which `Buffer` itself does not notice in texts */
  #forward(length: number): number {
    const start = this.#offset;
    if (length < 0 || start + length > this.#bytes.length)
      throw new RangeError('A message of PostgreSQL is shorter than it says');
    this.#offset = start + length;
    return start;
  }
}
