import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Services } from '../src/installation/services.ts';
import { createTenant } from '../src/tenants/create.ts';
import { moveTenant } from '../src/transfers/start-move.ts';
import { type Benchmark, limit, quantile } from './harness.ts';
import { openBenchInstallation } from './installation.ts';
import { startServer } from './server-process.ts';
import { startWorker } from './workers.ts';

const ROWS = Number(process.env.BENCH_MOVE_ROWS ?? 1_000_000);
const WRITES_PER_SECOND = 200;
const MOVES = 3;
/** A server that has just started takes ten times as long for a write, and would never catch up while the tenant is copied. */
const WARM_UP = { writes: 3_000, atOnce: 4 };
/** The writes come from one caller of one tenant, whose shares would refuse many of them while its moves make them slow. */
const WIDE_SHARES = Object.fromEntries(
  ['TENANT', 'CALLER'].flatMap((who) =>
    ['OPERATIONS', 'COST_PER_SECOND', 'DATABASE_MS_PER_SECOND'].map((what) => [`${who}_${what}`, '100000']),
  ),
);

/** How long a tenant is paused when it moves online. */
export const onlineMove: Benchmark = {
  name: 'online-move',
  about: `the pause of a tenant that moves online with ${ROWS.toLocaleString('en')} rows (BENCH_MOVE_ROWS), while ${WRITES_PER_SECOND} products a second are created`,
  async run(signal) {
    await using place = await openBenchInstallation();
    await using app = await place.openApp();
    const { services } = app;
    const slug = randomUUID().slice(4);
    const { id, database } = await createTenant(services.provisioning, { slug, name: 'Bench', isolation: 'DATABASE' });
    const client = await place.connect(database);
    await client.query(
      `INSERT INTO products (id, sku, name, price, currency, stock)
       SELECT gen_random_uuid(), 'old-' || n, 'Product ' || n, 1, 'EUR', 1 FROM generate_series(1, $1::int) n`,
      [ROWS],
    );
    await client.end();
    const url = await startServer(place, '../test/fixture/main.ts', {
      WORKER: 'off',
      LOG_LEVEL: 'warn',
      ...WIDE_SHARES,
    });
    // In a process of its own, as operators with busy tenants have it.
    await using _worker = await startWorker(place, {});
    const writer = new Writer(url, await services.tokens.issue({ tenant: slug, expiresIn: '2h' }));
    await writer.warmUp(signal);
    const stop = new AbortController();
    const writing = writer.write(stop.signal);
    const pauses: number[] = [];
    for (let move = 0; move < MOVES; move += 1) {
      await sleep(2_000);
      signal.throwIfAborted();
      const isolation = move % 2 === 0 ? 'SCHEMA' : 'DATABASE';
      const input = { tenant: id, isolation, online: true, keepHours: 0 } as const;
      pauses.push(await pauseOf(services, await moveTenant(services.transfers, input, { requestedBy: null }), signal));
    }
    stop.abort();
    const { confirmed, refused, waits } = await writing;
    const codes = Object.entries(refused).map(([code, count]) => ` (${count} ${code})`);
    process.stderr.write(
      `Created ${confirmed} products; refused:${codes.join('') || ' none'}. The pauses took ${pauses.map(Math.round).join(', ')} ms\n`,
    );
    return [
      limit('the pause of an online move, longest', 'ms', { atMost: 1_000 }, Math.max(...pauses)),
      limit(
        'a write while a tenant moves online, longest',
        'ms',
        { atMost: 2_000 },
        Math.max(...waits),
        quantile(waits, 0.5),
      ),
    ];
  },
};

/** Waits for the end of a move, and returns how long the tenant was paused, in milliseconds. */
async function pauseOf({ catalog }: Services, transfer: string, signal: AbortSignal): Promise<number> {
  for (;;) {
    signal.throwIfAborted();
    const { rows } = await catalog.use((client) =>
      client.query<{ status: string; error: string | null; paused: number | null; ended: boolean }>(
        `SELECT status, error, paused_ms AS paused, ended_at IS NOT NULL AS ended FROM tenant_transfers WHERE id = $1`,
        [transfer],
      ),
    );
    const [row] = rows;
    if (row?.status === 'SUCCEEDED') return Number(row.paused);
    if (row?.ended) throw new Error(`The move ended as ${row.status}: ${row.error}`);
    await sleep(100);
  }
}

interface Writes {
  readonly confirmed: number;
  /** How many were refused, by the code of the error. */
  readonly refused: Readonly<Record<string, number>>;
  /** How long each took, in milliseconds. */
  readonly waits: readonly number[];
}

interface Answer {
  readonly data?: unknown;
  readonly errors?: readonly { readonly extensions: { readonly code: string } }[];
}

/** A client that creates products. */
class Writer {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  #created = 0;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  }

  /** Creates products until the server's code is compiled. */
  async warmUp(signal: AbortSignal): Promise<void> {
    const work = async () => {
      while (this.#created < WARM_UP.writes) {
        signal.throwIfAborted();
        const code = await this.#create();
        if (code !== undefined) throw new Error(`A write was refused before the tenant moved: ${code}`);
      }
    };
    await Promise.all(Array.from({ length: WARM_UP.atOnce }, work));
  }

  /** Creates products at a steady rate, whether or not earlier ones are answered. */
  async write(signal: AbortSignal): Promise<Writes> {
    const waits: number[] = [];
    const open = new Set<Promise<void>>();
    let confirmed = 0;
    const refused: Record<string, number> = {};
    const createOne = async () => {
      const sentAt = performance.now();
      const code = await this.#create();
      if (code === undefined) confirmed += 1;
      else refused[code] = (refused[code] ?? 0) + 1;
      waits.push(performance.now() - sentAt);
    };
    const startedAt = performance.now();
    for (let n = 0; !signal.aborted; n += 1) {
      const request: Promise<void> = createOne().finally(() => open.delete(request));
      open.add(request);
      await sleep(Math.max(0, startedAt + ((n + 1) * 1_000) / WRITES_PER_SECOND - performance.now()));
    }
    await Promise.all(open);
    return { confirmed, refused, waits };
  }

  /** @returns the code of the error if the write is refused */
  async #create(): Promise<string | undefined> {
    this.#created += 1;
    const query = `mutation { createProduct(input: { sku: "new-${this.#created}", name: "n", price: "1.00", currency: "EUR" }) { id } }`;
    const body = JSON.stringify({ query });
    const response = await fetch(this.#url, { method: 'POST', headers: this.#headers, body }).catch(() => undefined);
    // A GraphQL server answers in this shape.
    const { data, errors } = ((await response?.json()) ?? {}) as Answer;
    return data ? undefined : (errors?.[0]?.extensions.code ?? 'no answer');
  }
}
