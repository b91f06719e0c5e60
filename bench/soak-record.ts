import { errorCodes } from '../src/lib/errors.ts';
import { quantile } from './harness.ts';

/** The result of a request. */
export interface Outcome {
  /** The kind of the request; a row of the table. */
  readonly kind: string;
  /** Codes of errors, `OK` for none, or how else it ended: `CLOSED`, `GIVEN_UP`, `NO_JSON`, `NO_CODE`. */
  readonly codes: readonly string[];
  /** The allowed codes. */
  readonly allowed: readonly string[];
  readonly latencyMs: number;
  /** The answer, or why there is none. */
  readonly text: string;
  /** The tenant whose rows the answer may contain; undefined for none. */
  readonly tenant: string | undefined;
}

/** A period in which the database is down, in milliseconds since the epoch. */
export interface Outage {
  readonly from: number;
  /** When the server must work again. */
  until: number;
}

/** Returns a mark that all rows of a tenant contain, so that they can be recognised in any answer. */
export function markOf(slug: string): string {
  return `mark:${slug};`;
}

/** Answers must never contain this: traces of our code and PostgreSQL's own messages. */
const unmasked = /node_modules|\.ts:\d|ECONNREFUSED|at or near|violates [\w -]+ constraint/;
/** Codes that are always wrong. */
const broken: ReadonlySet<string> = new Set(['INTERNAL_SERVER_ERROR', 'NO_CODE', 'NO_JSON']);
/** The maximum number of complaints that are printed. */
const PRINTED = 20;

/** Checks all answers of a soak test and stores their latencies. */
export class SoakRecord {
  readonly #latencies = new Map<string, number[]>();
  readonly #codes = new Map<string, Map<string, number>>();
  readonly #outages: Outage[] = [];
  #printed = 0;
  /** Answers that reveal internals, or whose code is INTERNAL_SERVER_ERROR or undocumented. */
  internal = 0;
  /** Answers with a documented code that is not allowed. */
  unexpected = 0;
  /** Answers with a row of another tenant. */
  leaks = 0;

  /** Allows SERVER_BUSY until the outage is over. */
  beginOutage(): Outage {
    const outage = { from: Date.now(), until: Number.POSITIVE_INFINITY };
    this.#outages.push(outage);
    return outage;
  }

  /** Whether the database was down at that time, in milliseconds since the epoch. */
  inOutage(time: number): boolean {
    return this.#outages.some(({ from, until }) => time >= from && time <= until);
  }

  /** Adds the result of a request that has just ended. */
  add(outcome: Outcome): void {
    const { kind, codes, allowed, latencyMs, text, tenant } = outcome;
    const counts = entryOf(this.#codes, kind, () => new Map<string, number>());
    for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1);
    entryOf(this.#latencies, kind, () => []).push(latencyMs);
    const excused = this.inOutage(Date.now()) ? [...allowed, 'SERVER_BUSY'] : allowed;
    const foreign = [...text.matchAll(/mark:[\w-]+;/g)].some(([mark]) => !tenant || mark !== markOf(tenant));
    const wrong = codes.filter((code) => !excused.includes(code));
    // Without an answer, the text is the client's own error message.
    const isUnmasked = !codes.includes('CLOSED') && unmasked.test(text);
    const isInternal = isUnmasked || wrong.some((code) => broken.has(code));
    if (foreign) this.leaks += 1;
    if (isInternal) this.internal += 1;
    else if (wrong.length > 0) this.unexpected += 1;
    if (foreign || isInternal || wrong.length > 0) this.complain(`${kind}: ${text.slice(0, 1000)}`, codes);
  }

  /** Prints a problem, up to a maximum number of problems. */
  complain(what: string, codes: readonly string[] = []): void {
    this.#printed += 1;
    if (this.#printed <= PRINTED) process.stderr.write(`${new Date().toISOString()} ${codes.join()} ${what}\n`);
  }

  /** Returns the number of requests of a kind that succeeded. */
  answered(kind: string): number {
    return this.#codes.get(kind)?.get('OK') ?? 0;
  }

  /** Formats the latencies of all kinds in milliseconds, and the number of answers with each code. */
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

/** Returns the codes of an answer, see {@link Outcome.codes}. */
export function codesOf(text: string): string[] {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    return ['NO_JSON'];
  }
  // The shape of GraphQL answers. Anything else has neither errors nor data.
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
