import { errorCodes } from '../src/lib/errors.ts';
import { quantile } from './harness.ts';

/** What came of one request. */
export interface Outcome {
  /** What it was a request for; the rows of the table. */
  readonly kind: string;
  /** Codes of errors, `OK` for none, or how else it ended: `CLOSED`, `GIVEN_UP`, `NO_JSON`, `NO_CODE`. */
  readonly codes: readonly string[];
  /** What may come of it. */
  readonly allowed: readonly string[];
  readonly latencyMs: number;
  /** The answer; without one, why there is none. */
  readonly text: string;
  /** The tenant whose rows it may show; undefined for none. */
  readonly tenant: string | undefined;
}

/** A stretch of time in which the database is not there, in milliseconds since the epoch. */
export interface Outage {
  readonly from: number;
  /** When the server must be as it was before. */
  until: number;
}

/** Rows of a tenant hold its mark, so that they are known wherever they turn up. */
export function markOf(slug: string): string {
  return `mark:${slug};`;
}

/** What answers must never hold, whatever their code: traces of our code, and PostgreSQL's own words. */
const unmasked = /node_modules|\.ts:\d|ECONNREFUSED|at or near|violates [\w -]+ constraint/;
/** Codes that are never right. */
const broken: ReadonlySet<string> = new Set(['INTERNAL_SERVER_ERROR', 'NO_CODE', 'NO_JSON']);
/** Complaints that are printed, at most. */
const PRINTED = 20;

/** Judges all answers of a soak, and keeps how long they took. */
export class SoakRecord {
  readonly #latencies = new Map<string, number[]>();
  readonly #codes = new Map<string, Map<string, number>>();
  readonly #outages: Outage[] = [];
  #printed = 0;
  /** Answers that tell of our insides, or whose code is INTERNAL_SERVER_ERROR or none of the contract's. */
  internal = 0;
  /** Answers with a code of the contract that was not to come. */
  unexpected = 0;
  /** Answers that held a row of another tenant. */
  leaks = 0;

  /** Has SERVER_BUSY excused until the outage is over. */
  beginOutage(): Outage {
    const outage = { from: Date.now(), until: Number.POSITIVE_INFINITY };
    this.#outages.push(outage);
    return outage;
  }

  /** Whether the database was not there at that time, in milliseconds since the epoch. */
  inOutage(time: number): boolean {
    return this.#outages.some(({ from, until }) => time >= from && time <= until);
  }

  /** Adds what came of a request that has just ended. */
  add(outcome: Outcome): void {
    const { kind, codes, allowed, latencyMs, text, tenant } = outcome;
    const counts = entryOf(this.#codes, kind, () => new Map<string, number>());
    for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1);
    entryOf(this.#latencies, kind, () => []).push(latencyMs);
    const excused = this.inOutage(Date.now()) ? [...allowed, 'SERVER_BUSY'] : allowed;
    const foreign = [...text.matchAll(/mark:[\w-]+;/g)].some(([mark]) => !tenant || mark !== markOf(tenant));
    const wrong = codes.filter((code) => !excused.includes(code));
    // Without an answer, the text is what the client itself says of that.
    const isUnmasked = !codes.includes('CLOSED') && unmasked.test(text);
    const isInternal = isUnmasked || wrong.some((code) => broken.has(code));
    if (foreign) this.leaks += 1;
    if (isInternal) this.internal += 1;
    else if (wrong.length > 0) this.unexpected += 1;
    if (foreign || isInternal || wrong.length > 0) this.complain(`${kind} was answered ${text.slice(0, 1000)}`, codes);
  }

  /** Prints what went wrong, but not without end. */
  complain(what: string, codes: readonly string[] = []): void {
    this.#printed += 1;
    if (this.#printed <= PRINTED) process.stderr.write(`${new Date().toISOString()} ${codes.join()} ${what}\n`);
  }

  /** How often requests of a kind were answered without an error. */
  answered(kind: string): number {
    return this.#codes.get(kind)?.get('OK') ?? 0;
  }

  /** The latencies of all kinds in milliseconds, and how often each code was answered. */
  table(): string {
    const header = ['', 'count', 'p50', 'p95', 'p99', 'max', 'answers'];
    const rows = [...this.#latencies]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([kind, figures]) => [
        kind,
        String(figures.length),
        ...[0.5, 0.95, 0.99, 1].map((part) => quantile(figures, part).toFixed(1)),
        [...(this.#codes.get(kind) ?? [])].map(([code, count]) => `${code} ${count}`).join(', '),
      ]);
    const widths = header.map((_, column) => Math.max(...[header, ...rows].map((row) => row[column]?.length ?? 0)));
    const isText = (column: number) => column === 0 || column === header.length - 1;
    const line = (row: readonly string[]) =>
      row
        .map((cell, column) => (isText(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  ')
        .trimEnd();
    return [header, ...rows].map(line).join('\n');
  }
}

/** The codes of an answer, see {@link Outcome.codes}. */
export function codesOf(text: string): string[] {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    return ['NO_JSON'];
  }
  // What GraphQL servers answer; anything else has no errors and no data.
  const { data, errors } = (answer ?? {}) as { data?: unknown; errors?: { extensions?: { code?: string } }[] };
  if (!errors) return [data ? 'OK' : 'NO_CODE'];
  const codes = errors.map(({ extensions }) => extensions?.code ?? 'NO_CODE');
  return [...new Set(codes.map((code) => (code in errorCodes ? code : 'NO_CODE')))];
}

function entryOf<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const found = map.get(key) ?? make();
  map.set(key, found);
  return found;
}
