import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { divideConnections, LEAST_BUDGET } from '../../src/servers/budgets/divide.ts';

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

describe('connections are divided', () => {
  it.each([
    { total: 87, wishes: [3], parts: [87] },
    { total: 87, wishes: [3, 3], parts: [43, 44] },
    { total: 87, wishes: [60, 3], parts: [60, 27] },
    { total: 87, wishes: [3, 60, 30], parts: [3, 54, 30] },
    { total: 87, wishes: [100, 100], parts: [43, 44] },
    { total: 20, wishes: [100, 3, 9, 100], parts: [6, 3, 5, 6] },
    { total: 5, wishes: [3, 3, 9], parts: [3, 3, 3] },
    { total: 10, wishes: [], parts: [] },
  ])('$total for $wishes as $parts', ({ total, wishes, parts }) => {
    expect(divideConnections(total, wishes)).toEqual(parts);
  });

  it('all of them, and never more unless there are too few for so many processes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 500 }),
        fc.array(fc.nat(120), { minLength: 1, maxLength: 40 }),
        (total, wishes) => {
          const parts = divideConnections(total, wishes);
          expect(parts).toHaveLength(wishes.length);
          expect(Math.min(...parts)).toBeGreaterThanOrEqual(LEAST_BUDGET);
          expect(sum(parts)).toBe(Math.max(total, LEAST_BUDGET * wishes.length));
        },
      ),
    );
  });

  it('so that nobody has less than another one, unless it wants no more', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 500 }),
        fc.array(fc.nat(120), { minLength: 2, maxLength: 40 }),
        (total, wishes) => {
          const parts = divideConnections(total, wishes);
          const most = Math.max(...parts);
          for (const [index, part] of parts.entries()) {
            // What cannot be divided equally makes a difference of one.
            if (part < (wishes[index] ?? 0)) expect(part).toBeGreaterThanOrEqual(most - 1);
          }
        },
      ),
    );
  });
});
