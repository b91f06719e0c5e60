import { expect, it } from 'vitest';
import { Pace } from '../../../src/migrator/backfill/pace.ts';

/** Lets a table with a constant cost for each row be backfilled for some batches. */
function settle(pace: Pace, msPerRow: number, batches: number, waiting = 0): { ms: number; pause: number } {
  let last = { ms: 0, pause: 0 };
  for (let batch = 0; batch < batches; batch += 1) {
    const ms = pace.rows * msPerRow;
    last = { ms, pause: pace.succeeded(ms, waiting) };
  }
  return last;
}

it.each([0.01, 0.1, 1, 20])('batches come to take the target time where a row takes %d ms', (msPerRow) => {
  const pace = new Pace(250);
  const { ms, pause } = settle(pace, msPerRow, 20);
  expect(ms).toBeGreaterThan(200);
  expect(ms).toBeLessThan(300);
  expect(pause).toBeLessThan(ms);
});

it('batches become smaller and pauses longer while others wait, and recover', () => {
  const pace = new Pace(250);
  settle(pace, 0.1, 20);
  const usual = pace.rows;
  const contended = settle(pace, 0.1, 20, 1);
  expect(contended.ms).toBeGreaterThan(10);
  expect(contended.ms).toBeLessThan(50);
  expect(contended.pause).toBeGreaterThan(contended.ms);
  settle(pace, 0.1, 10);
  expect(pace.rows).toBe(usual);
});

it('a batch that got no lock is tried with fewer rows and ever longer pauses, at least with one row', () => {
  const pace = new Pace(250);
  const pauses = Array.from({ length: 8 }, () => pace.failed());
  expect(pace.rows).toBe(1);
  expect(pauses).toEqual(pauses.toSorted((a, b) => a - b));
  expect(pauses.at(-1)).toBe(2000);
});
