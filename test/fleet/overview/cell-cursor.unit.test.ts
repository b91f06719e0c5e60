import { describe, expect, it } from 'vitest';
import { decodeCellCursor, encodeCellCursor, MAX_CELL_CURSOR } from '../../../src/fleet/overview/cell-cursor.ts';

const last = '3f1b6a1e-5d0c-4a53-9c5f-0d9a0c6d1b11';
const moment = (snapshot: string) => ({ snapshot, at: 1_795_991_187.123456, table: '4294967295' });
/** A snapshot with this number of open transactions, each of 20 digits. */
const busy = (open: number) => {
  const ids = Array.from({ length: open }, (_, index) => String(10_000_000_000_000_000_000n + BigInt(index)));
  return `${ids[0] ?? '7'}:19999999999999999999:${ids.join()}`;
};

describe('a cursor of the fleet', () => {
  it('keeps its snapshots', () => {
    const cursor = { since: moment('10:20:10,14,15'), until: moment('12:30:'), last };
    expect(decodeCellCursor(encodeCellCursor(cursor))).toEqual(cursor);
  });

  it.each([20, 1_000])('is short, and goes back to the oldest of %i transactions if they are too many', (open) => {
    const text = encodeCellCursor({ since: moment(busy(open)), until: moment(busy(open)), last });
    expect(text.length).toBeLessThanOrEqual(MAX_CELL_CURSOR);
    const snapshot = open > 20 ? '10000000000000000000:10000000000000000000:' : busy(open);
    expect(decodeCellCursor(text)).toMatchObject({ since: { snapshot }, until: { snapshot }, last });
  });
});
