/** Random choices that are the same each time for the same seed. */
export interface SeededRandom {
  /** A whole number, both ends included. */
  int(min: number, max: number): number;
  /** True with this probability, from 0 to 1. */
  chance(probability: number): boolean;
}

/**
 * The seeds of a test that is repeated: as many as FAULT_SEEDS says, from FAULT_FIRST_SEED on. A failure names its seed, and
 * `FAULT_FIRST_SEED=<seed> FAULT_SEEDS=1 npm run test:faults` makes the same choices again.
 */
export function seeds(usual: number): number[] {
  const count = Number(process.env.FAULT_SEEDS ?? usual);
  const first = Number(process.env.FAULT_FIRST_SEED ?? 1);
  return Array.from({ length: count }, (_, index) => first + index);
}

/** Mulberry32: 32 bits of state, good enough to choose moments. */
export function seededRandom(seed: number): SeededRandom {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    int: (min, max) => min + Math.floor(next() * (max - min + 1)),
    chance: (probability) => next() < probability,
  };
}
