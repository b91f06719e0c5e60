import { expect, it } from 'vitest';
import { createRowCounter } from '../../src/copying/row-counter.ts';

/** Rows in COPY's binary format; null is NULL. */
function binary(rows: readonly (readonly (string | null)[])[]): Buffer {
  const int16 = (value: number) => {
    const bytes = Buffer.alloc(2);
    bytes.writeInt16BE(value);
    return bytes;
  };
  const int32 = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value);
    return bytes;
  };
  const parts = [Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), int32(0), int32(0)];
  for (const row of rows) {
    parts.push(int16(row.length));
    for (const value of row) {
      parts.push(int32(value === null ? -1 : Buffer.byteLength(value)));
      if (value !== null) parts.push(Buffer.from(value));
    }
  }
  return Buffer.concat([...parts, int16(-1)]);
}

it.each([
  [
    'some rows',
    [
      ['a', null, ''],
      ['x'.repeat(70_000), 'b', null],
      ['', '', '\n'],
    ],
  ],
  ['rows without columns', [[], [], []]],
  ['no rows', []],
])('counts %s, wherever the parts end', (_name, rows) => {
  const bytes = binary(rows);
  for (const size of [1, 2, 3, 5, 7, 1_000, bytes.length]) {
    const counter = createRowCounter('binary');
    for (let at = 0; at < bytes.length; at += size) counter.count(bytes.subarray(at, at + size));
    expect(counter.rows).toBe(rows.length);
  }
});

it('counts the rows of text', () => {
  const counter = createRowCounter('text');
  for (const part of ['a\tb\nc', '\n', '', 'd\\n\n']) counter.count(Buffer.from(part));
  expect(counter.rows).toBe(3);
});
