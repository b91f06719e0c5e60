import type pg from 'pg';
import type { Logger } from 'pino';
import type { Catalog } from '../../catalog/catalog.ts';
import { repeatUntil, WakeUp } from '../../lib/retry-loop.ts';
import { elapsedSince } from '../../lib/time.ts';
import type { Listener } from '../../postgres/listener.ts';
import type { PostgresServer } from '../../postgres/server.ts';
import { inTransaction } from '../../postgres/sql/transaction.ts';
import type { ServerRegistry } from '../registry.ts';
import { dividableOf, readCapacity } from './capacity.ts';
import { divideConnections, LEAST_BUDGET } from './divide.ts';
import { RecentDemand } from './recent-demand.ts';
import {
  type BudgetRow,
  budgetsChannel,
  deleteBudgets,
  lockBudgets,
  readBudgets,
  saveBudget,
  tellOthers,
} from './store.ts';

/** What dividing connections needs. */
export interface ProcessBudgetsOptions {
  readonly catalog: Pick<Catalog, 'use'>;
  readonly listener: Listener;
  readonly servers: Pick<ServerRegistry, 'known' | 'hasFixedBudget' | 'refresh'>;
  readonly log: Logger;
}

/** How often to look for processes that have been killed, in milliseconds. */
const LOOK_MS = 2_000;
/** How often to check whether others still know of a fixed budget, in milliseconds. */
const LOOK_FIXED_MS = 30_000;
/** The pause between two looks, in milliseconds. Many notifications at once need only one. */
const PAUSE_MS = 50;
/** How often to check whether this process needs more connections, in milliseconds. */
const SAMPLE_MS = 100;
/** How long to rely on what a server has reported about its connections, in milliseconds. */
const CAPACITY_MS = 30_000;
/** How long a process that ends may take to tell the others, in milliseconds. */
const GOODBYE_MS = 2_000;

/**
 * Tells the other processes how many connections this one may hold, and divides each server's connections with them where no
 * budget is fixed (CONNECTION_BUDGET=auto).
 *
 * Each process has a row for each server in `connection_budgets`, with what it may hold and what it needs. From these
 * rows every process calculates the same division. One that may hold fewer than before lowers its limit, closes idle
 * connections, and writes what it still has; only then can others take what it has released. So together they never hold
 * more than is divided. A process that was killed has lost its liveness lock, and its row counts for nothing.
 */
export class ProcessBudgets implements AsyncDisposable {
  readonly #options: ProcessBudgetsOptions;
  readonly #demand = new RecentDemand();
  readonly #capacities = new Map<string, { readonly dividable: number; readonly readAt: number }>();
  readonly #stop = new AbortController();
  readonly #wakeUp = new WakeUp();
  #sampler: NodeJS.Timeout | undefined;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: ProcessBudgetsOptions) {
    this.#options = options;
  }

  /** Takes a first part. From then on it changes when processes come, go or want more. */
  async start(): Promise<void> {
    const { listener, servers, log } = this.#options;
    await this.#look();
    const lookNow = () => this.#wakeUp.call();
    const subscriptions = [
      listener.on(budgetsChannel, lookNow),
      // The registry itself logs why it could not be read.
      listener.on('servers', () => void servers.refresh().then(lookNow, () => undefined)),
    ];
    this.#sampler = setInterval(() => this.#sample(), SAMPLE_MS).unref();
    const onError = (err: unknown) => {
      if (!this.#stop.signal.aborted) log.warn({ err }, 'could not divide connections with other processes; retrying');
    };
    const next = async () => {
      await this.#somethingToDo();
      if (!this.#stop.signal.aborted) await this.#look();
    };
    this.#loop = repeatUntil(this.#stop.signal, next, PAUSE_MS, onError).finally(() => {
      for (const unsubscribe of subscriptions) unsubscribe();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { catalog, listener, log } = this.#options;
    this.#stop.abort();
    this.#wakeUp.call();
    clearInterval(this.#sampler);
    await this.#loop;
    // Without it, the others find out that this process has ended.
    await catalog
      .use((client) => deleteBudgets(client, listener.instance), AbortSignal.timeout(GOODBYE_MS))
      .catch((err: unknown) => log.debug({ err }, 'could not tell other processes that this one ends'));
  }

  #sample(): void {
    for (const server of this.#dividing()) {
      if (this.#demand.record(server.name, server.demand)) this.#wakeUp.call();
    }
  }

  /** The servers on which this process has no fixed budget. */
  #dividing(): readonly PostgresServer[] {
    const { servers } = this.#options;
    return servers.known().flatMap(({ row, server }) => (servers.hasFixedBudget(row) ? [] : [server]));
  }

  async #somethingToDo(): Promise<void> {
    await this.#wakeUp.wait(this.#dividing().length > 0 ? LOOK_MS : LOOK_FIXED_MS);
    this.#wakeUp.reset();
  }

  async #look(): Promise<void> {
    const { catalog, servers } = this.#options;
    const rows = await catalog.use(readBudgets, this.#stop.signal);
    for (const { row, server } of servers.known()) {
      const ours = rows.filter((each) => each.server === row.name);
      if (servers.hasFixedBudget(row)) await this.#announce(server, ours);
      else await this.#divide(server, ours);
    }
  }

  /** Tells the others how many connections this process takes, whatever they need. */
  async #announce({ name, stats }: PostgresServer, rows: readonly BudgetRow[]): Promise<void> {
    const { catalog, listener } = this.#options;
    const { instance } = listener;
    const mine = rows.find((row) => row.instance === instance);
    if (mine?.connections === stats.max && mine.wanted === null) return;
    await catalog.use(async (client) => {
      await saveBudget(client, { instance, server: name, connections: stats.max, wanted: null });
      await tellOthers(client);
    }, this.#stop.signal);
  }

  async #divide(server: PostgresServer, rows: readonly BudgetRow[]): Promise<void> {
    const { catalog, listener } = this.#options;
    const wanted = this.#demand.of(server.name);
    const dividable = await this.#dividableOf(server);
    if (dividable === undefined) return;
    const mine = rows.find(({ instance }) => instance === listener.instance);
    const part = partOf(dividable, rows, { instance: listener.instance, wanted });
    const { max } = server.stats;
    if (mine?.wanted === wanted && mine.connections === part && max === part) return;
    const take = (client: pg.Client) => inTransaction(client, () => this.#take(client, server, dividable, wanted));
    const allowed = await catalog.use(take, this.#stop.signal);
    server.limitTo(allowed);
    // Those in use are closed when they are released.
    if (server.stats.open > allowed) setTimeout(() => this.#wakeUp.call(), SAMPLE_MS).unref();
  }

  /** Takes as much of this process's part as the others have released. Returns the limit. */
  async #take(client: pg.Client, server: PostgresServer, dividable: number, wanted: number): Promise<number> {
    const { instance } = this.#options.listener;
    const { name } = server;
    await lockBudgets(client, name);
    const rows = (await readBudgets(client)).filter((row) => row.server === name);
    const others = rows.filter((row) => row.instance !== instance);
    const mine = rows.find((row) => row.instance === instance);
    const free = others.reduce((left, { connections }) => left - connections, dividable);
    const part = partOf(dividable, rows, { instance, wanted });
    const allowed = Math.max(Math.min(part, free), LEAST_BUDGET);
    // This comes before the number of open connections is read. A lower limit does no harm if this transaction fails.
    if (allowed < server.stats.max) server.limitTo(allowed);
    const connections = Math.max(allowed, server.stats.open);
    if (mine?.connections !== connections || mine.wanted !== wanted) {
      await saveBudget(client, { instance, server: name, connections, wanted });
    }
    const hasReleased = mine !== undefined && connections < mine.connections;
    const needsMore = connections < Math.min(wanted, part) && mine?.wanted !== wanted;
    if (!mine || hasReleased || needsMore) await tellOthers(client);
    return allowed;
  }

  /** Undefined while the server does not answer and never has. */
  async #dividableOf(server: PostgresServer): Promise<number | undefined> {
    const known = this.#capacities.get(server.name);
    if (known && elapsedSince(known.readAt) < CAPACITY_MS) return known.dividable;
    const dividable = await server
      .serving(readCapacity, this.#stop.signal)
      .then(dividableOf)
      .catch(() => known?.dividable);
    if (dividable !== undefined) this.#capacities.set(server.name, { dividable, readAt: performance.now() });
    return dividable;
  }
}

/** Returns the part of one process, as all of them calculate it. Fixed budgets are taken off first. */
function partOf(
  dividable: number,
  rows: readonly BudgetRow[],
  { instance, wanted }: { readonly instance: number; readonly wanted: number },
): number {
  const others = rows.filter((row) => row.instance !== instance);
  const fixed = others.reduce((sum, row) => (row.wanted === null ? sum + row.connections : sum), 0);
  const dividing = [...others, { instance, wanted }]
    .flatMap((row) => (row.wanted === null ? [] : [{ instance: row.instance, wanted: row.wanted }]))
    .toSorted((one, other) => one.instance - other.instance);
  const parts = divideConnections(
    dividable - fixed,
    dividing.map((row) => row.wanted),
  );
  return parts[dividing.findIndex((row) => row.instance === instance)] ?? LEAST_BUDGET;
}
