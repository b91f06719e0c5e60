import { ByteReader } from './byte-reader.ts';
import type { ColumnValue, DecodedMessage, Relation, Tuple } from './changes.ts';

/**
 * Decodes a message of PostgreSQL's output plugin `pgoutput`, version 1 of its protocol.
 * @returns undefined for messages that change no rows: the names of types, and the origin of changes that another server made
 * @throws {RangeError} if it is not such a message
 * @see https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
 */
export function decodeMessage(bytes: Buffer): DecodedMessage | undefined {
  const reader = new ByteReader(bytes);
  const letter = reader.letter();
  switch (letter) {
    case 'B':
      return { kind: 'begin', commitLsn: reader.uint64() };
    case 'C':
      // After flags and the position of the commit.
      reader.uint8();
      reader.uint64();
      return { kind: 'commit', endLsn: reader.uint64() };
    case 'M':
      return decodeLogicalMessage(reader);
    case 'R':
      return decodeRelation(reader);
    case 'I':
      return { kind: 'insert', relation: reader.uint32(), values: decodeNew(reader) };
    case 'U':
      return decodeUpdate(reader);
    case 'D':
      return decodeDelete(reader);
    case 'T':
      return decodeTruncate(reader);
    case 'Y':
    case 'O':
      return undefined;
    default:
      throw new RangeError(`PostgreSQL sent a message of an unknown kind: ${JSON.stringify(letter)}`);
  }
}

function decodeLogicalMessage(reader: ByteReader): DecodedMessage {
  // Flags and its position.
  reader.uint8();
  reader.uint64();
  const prefix = reader.text();
  return { kind: 'message', prefix, content: reader.textOf(reader.uint32()) };
}

function decodeRelation(reader: ByteReader): Relation {
  const id = reader.uint32();
  const schema = reader.text();
  const name = reader.text();
  const identity = reader.letter();
  const columns = Array.from({ length: reader.uint16() }, () => {
    const isKey = (reader.uint8() & 1) === 1;
    return { isKey, name: reader.text(), type: reader.uint32(), modifier: reader.int32() };
  });
  return { kind: 'relation', id, schema, name, identity, columns };
}

function decodeUpdate(reader: ByteReader): DecodedMessage {
  const relation = reader.uint32();
  const letter = reader.letter();
  if (letter === 'N') return { kind: 'update', relation, old: undefined, values: decodeTuple(reader) };
  if (letter !== 'K' && letter !== 'O')
    throw new RangeError(`PostgreSQL sent ${JSON.stringify(letter)} instead of a row`);
  const old = decodeTuple(reader);
  return { kind: 'update', relation, old, values: decodeNew(reader) };
}

function decodeDelete(reader: ByteReader): DecodedMessage {
  const relation = reader.uint32();
  reader.letter();
  return { kind: 'delete', relation, old: decodeTuple(reader) };
}

function decodeTruncate(reader: ByteReader): DecodedMessage {
  const count = reader.uint32();
  // Whether it cascades and restarts sequences. All tables that it has emptied are listed.
  reader.uint8();
  return { kind: 'truncate', relations: Array.from({ length: count }, () => reader.uint32()) };
}

function decodeNew(reader: ByteReader): Tuple {
  const letter = reader.letter();
  if (letter !== 'N') throw new RangeError(`PostgreSQL sent ${JSON.stringify(letter)} instead of a new row`);
  return decodeTuple(reader);
}

function decodeTuple(reader: ByteReader): Tuple {
  return Array.from({ length: reader.uint16() }, () => decodeValue(reader));
}

function decodeValue(reader: ByteReader): ColumnValue {
  const letter = reader.letter();
  switch (letter) {
    case 'n':
      return null;
    case 'u':
      return undefined;
    case 't':
      return reader.textOf(reader.uint32());
    default:
      throw new RangeError(`PostgreSQL sent a value of an unknown kind: ${JSON.stringify(letter)}`);
  }
}
