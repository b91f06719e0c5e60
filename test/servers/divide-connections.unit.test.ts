import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { divideConnections, LEAST_BUDGET } from '../../src/servers/budgets/divide.ts';

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

describe('connections are divided', () => {
  it.each([
    { total: 87, wanted: [4], parts: [87] },
    { total: 87, wanted: [4, 4], parts: [43, 44] },
    { total: 87, wanted: [60, 4], parts: [60, 27] },
    { total: 87, wanted: [4, 60, 30], parts: [4, 53, 30] },
    { total: 87, wanted: [100, 100], parts: [43, 44] },
    { total: 20, wanted: [100, 4, 12, 100], parts: [5, 4, 5, 6] },
    { total: 5, wanted: [4, 4, 12], parts: [4, 4, 4] },
    { total: 10, wanted: [], parts: [] },
  ])('$total for $wanted as $parts', ({ total, wanted, parts }) => {
    expect(divideConnections(total, wanted)).toEqual(parts);
  });

  it('all of them, and never more unless there are too few for so many processes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 500 }),
        fc.array(fc.nat(120), { minLength: 1, maxLength: 40 }),
        (total, wanted) => {
          const parts = divideConnections(total, wanted);
          expect(parts).toHaveLength(wanted.length);
          expect(Math.min(...parts)).toBeGreaterThanOrEqual(LEAST_BUDGET);
          expect(sum(parts)).toBe(Math.max(total, LEAST_BUDGET * wanted.length));
        },
      ),
    );
  });

  it('so that nobody has less than another one, unless it wants no more', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 500 }),
        fc.array(fc.nat(120), { minLength: 2, maxLength: 40 }),
        (total, wanted) => {
          const parts = divideConnections(total, wanted);
          const most = Math.max(...parts);
          for (const [index, part] of parts.entries()) {
            // What cannot be divided equally makes a difference of one.
            if (part < (wanted[index] ?? 0)) expect(part).toBeGreaterThanOrEqual(most - 1);
          }
        },
      ),
    );
  });
});
