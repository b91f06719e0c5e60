import { setImmediate as turn } from 'node:timers/promises';

/** One benchmark: a name to choose it by, and what it measures. */
export interface Benchmark {
  readonly name: string;
  readonly about: string;
  /** @param signal ends it early, with an error, and cleaned up */
  run(signal: AbortSignal): Promise<Result[]>;
}

/** One figure with its target. Times are medians in milliseconds. */
export interface Result {
  readonly what: string;
  readonly unit: string;
  /** Undefined where the target is a figure of its own. */
  readonly baseline?: number;
  readonly tenantry: number;
  /** Tenantry's median by the baseline's. */
  readonly ratio?: number;
  /** The quartiles of the rounds' own ratios, which tell how noisy the machine was. */
  readonly quartiles?: readonly [number, number];
  readonly target: string;
  readonly met: boolean;
}

/** What a ratio, or a figure, must keep to. */
export type Target = { readonly atMost: number } | { readonly atLeast: number };

/** What each contender's rounds gave, round by round. */
export type Samples<Name extends string> = Readonly<Record<Name, readonly number[]>>;

/**
 * Measures contenders in turn, round by round, so that whatever else the machine does meets them alike; the order changes
 * with every round. Rounds of the warm-up are not counted.
 * @param contenders each gives the figure of one round
 */
export async function interleave<Name extends string>(
  contenders: Readonly<Record<Name, (round: number) => Promise<number>>>,
  { rounds, warmUp, signal }: { readonly rounds: number; readonly warmUp: number; readonly signal: AbortSignal },
): Promise<Samples<Name>> {
  // Object.keys forgets that the keys are the contenders' names.
  const names = Object.keys(contenders) as Name[];
  // Likewise for the record that is made of them.
  const samples = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = 0; round < warmUp + rounds; round += 1) {
    const first = round % names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)]) {
      await turn();
      signal.throwIfAborted();
      const figure = await contenders[name](round);
      if (round >= warmUp) samples[name].push(figure);
    }
  }
  return samples;
}

/** How long something takes, in milliseconds. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Compares the medians of two contenders that were measured in the same rounds. */
export function compare(
  what: string,
  unit: string,
  target: Target,
  { baseline, tenantry }: Samples<'baseline' | 'tenantry'>,
): Result {
  const perRound = tenantry.map((figure, round) => figure / (baseline[round] ?? Number.NaN));
  const ratio = quantile(tenantry, 0.5) / quantile(baseline, 0.5);
  return {
    what,
    unit,
    baseline: quantile(baseline, 0.5),
    tenantry: quantile(tenantry, 0.5),
    ratio,
    quartiles: [quantile(perRound, 0.25), quantile(perRound, 0.75)],
    target: `${describe(target)} ×`,
    met: keepsTo(ratio, target),
  };
}

/**
 * A figure that must keep to a target by itself.
 * @param baseline only to be shown beside it
 */
export function limit(what: string, unit: string, target: Target, tenantry: number, baseline?: number): Result {
  const beside = baseline === undefined ? {} : { baseline, ratio: tenantry / baseline };
  return { what, unit, ...beside, tenantry, target: `${describe(target)} ${unit}`, met: keepsTo(tenantry, target) };
}

/** The value below which a part of the figures lies; 0.5 gives the median. */
export function quantile(figures: readonly number[], part: number): number {
  const sorted = figures.toSorted((a, b) => a - b);
  const place = (sorted.length - 1) * part;
  const [low, high] = [sorted[Math.floor(place)] ?? Number.NaN, sorted[Math.ceil(place)] ?? Number.NaN];
  return low + (high - low) * (place % 1);
}

function describe(target: Target): string {
  return 'atMost' in target ? `≤ ${target.atMost}` : `≥ ${target.atLeast}`;
}

function keepsTo(figure: number, target: Target): boolean {
  return 'atMost' in target ? figure <= target.atMost : figure >= target.atLeast;
}
