import { setImmediate as turn } from 'node:timers/promises';

/** A benchmark with its name and what it measures. */
export interface Benchmark {
  readonly name: string;
  readonly about: string;
  /** @param signal ends it early with an error, after cleaning up */
  run(signal: AbortSignal): Promise<Result[]>;
}

/** A measured figure with its target. Times are medians in milliseconds. */
export interface Result {
  readonly what: string;
  readonly unit: string;
  /** Undefined if the target is absolute. */
  readonly baseline?: number;
  readonly tenantry: number;
  /** Tenantry's median divided by the baseline's. */
  readonly ratio?: number;
  /** The quartiles of the ratios per round. They show how noisy the machine was. */
  readonly quartiles?: readonly [number, number];
  readonly target: string;
  readonly met: boolean;
}

/** The limit for a ratio or a figure. */
export type Target = { readonly atMost: number } | { readonly atLeast: number };

/** The figures of each contender, by round. */
export type Samples<Name extends string> = Readonly<Record<Name, readonly number[]>>;

/**
 * Measures contenders alternately, so that other load on the machine affects all of them. The order changes with every round.
 * Warm-up rounds do not count.
 * @param contenders each returns the figure of one round
 */
export async function interleave<Name extends string>(
  contenders: Readonly<Record<Name, (round: number) => Promise<number>>>,
  { rounds, warmUp, signal }: { readonly rounds: number; readonly warmUp: number; readonly signal: AbortSignal },
): Promise<Samples<Name>> {
  // The cast is safe: the keys are the contenders' names.
  const names = Object.keys(contenders) as Name[];
  // The same holds for the record.
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

/** Returns how long work takes, in milliseconds. */
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
 * Compares a figure with an absolute target.
 * @param baseline is only displayed
 */
export function limit(what: string, unit: string, target: Target, tenantry: number, baseline?: number): Result {
  const beside = baseline === undefined ? {} : { baseline, ratio: tenantry / baseline };
  return { what, unit, ...beside, tenantry, target: `${describe(target)} ${unit}`, met: keepsTo(tenantry, target) };
}

/**
 * Compares the medians of two contenders that were measured in the same rounds, and the second one with an absolute target too.
 * @param ratio how many times the baseline's median it may be
 */
export function compareBoth(
  what: string,
  unit: string,
  { ratio, figure }: { readonly ratio: Target; readonly figure: Target },
  samples: Samples<'baseline' | 'tenantry'>,
): Result {
  const compared = compare(what, unit, ratio, samples);
  return {
    ...compared,
    target: `${describe(figure)} ${unit}, ${compared.target}`,
    met: compared.met && keepsTo(compared.tenantry, figure),
  };
}

/** Returns a quantile of the figures; 0.5 is the median. */
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
