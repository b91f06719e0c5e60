import { setTimeout as sleep } from 'node:timers/promises';
import pLimit, { type LimitFunction } from 'p-limit';
import { repeatUntil } from '../../lib/retry-loop.ts';
import type { Listener } from '../../postgres/listener.ts';
import { ActiveRun, type RunWorkOptions } from './active-run.ts';
import { claimItems, claimsOf, type RunItem, takeOverItems } from './claim.ts';
import { inspectTenant, migrateTenant } from './migrate-tenant.ts';
import type { RunContext } from './run-context.ts';
import { workChannel } from './wake-up.ts';
import type { ItemResult } from './write-results.ts';

/** What carrying out runs needs. */
export interface WorkerOptions extends RunWorkOptions {
  readonly listener: Listener;
}

/** How often to look for work even if nobody calls, in milliseconds: tenants that are tried again wait for a time. */
const LOOK_MS = 500;
/** How often to look for tenants of processes that have died, in milliseconds. */
const TAKE_OVER_MS = 5_000;
/** How long a worker that stops tries again to write down what it did, in milliseconds. */
const GIVE_UP_MS = 10_000;

/** Carries out runs: claims tenants, as all processes do that carry out runs, and works on several at once. */
export class Worker implements AsyncDisposable {
  readonly #options: WorkerOptions;
  readonly #limit: LimitFunction;
  readonly #runs = new Map<string, ActiveRun>();
  readonly #tasks = new Set<Promise<void>>();
  /** Runs that others carry out, since this process has other migrations; it looks again now and then. */
  readonly #left = new Set<string>();
  /** The claims of these tasks. */
  readonly #held = new Set<string>();
  /** Claims of this process of which it did not know when it looked last. */
  #unknown: ReadonlySet<string> = new Set();
  readonly #stop = new AbortController();
  /** Ends whatever is under way. */
  readonly #interrupt = new AbortController();
  readonly #giveUp = new AbortController();
  #wakeUp = Promise.withResolvers<void>();
  #loops: Promise<unknown> = Promise.resolve();
  #stopped: Promise<void> | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#limit = pLimit(options.concurrency);
  }

  /** Begins to work. */
  start(): void {
    const silence = this.#options.listener.on(workChannel, (run) => {
      this.#wakeUp.resolve();
      for (const [id, active] of this.#runs) if (run === undefined || run === id) void active.refreshStopping();
    });
    const trouble = (err: unknown) =>
      this.#options.log.warn({ err }, 'cannot look for work on migration runs now; trying again');
    this.#loops = Promise.all([
      repeatUntil(this.#stop.signal, () => this.#claim(), 0, trouble),
      repeatUntil(this.#stop.signal, () => this.#takeOver(), TAKE_OVER_MS, trouble),
    ]).finally(silence);
  }

  /**
   * Takes no more tenants. Those under way end, or are rolled back and given back when their time is over; those that wait for
   * their turn are given back at once.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#end();
    return this.#stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #end(): Promise<void> {
    const { stopMs } = this.#options;
    this.#stop.abort();
    this.#wakeUp.resolve();
    const reason = new Error('it had not ended when the process that worked on it stopped');
    const patience = setTimeout(() => this.#interrupt.abort(reason), stopMs);
    // What cannot be written down, since auth is gone, is for those who take over.
    const limit = setTimeout(() => this.#giveUp.abort(), GIVE_UP_MS);
    await this.#loops;
    await Promise.all(this.#tasks);
    clearTimeout(patience);
    clearTimeout(limit);
  }

  async #claim(): Promise<void> {
    const { catalog, listener, concurrency } = this.#options;
    // Some more than are worked on, so that nobody waits for the next ones to be claimed. A run that goes slowly takes up no
    // more room than that, so that others go on beside it.
    const room = [...this.#runs.values()].reduce((left, run) => left - run.room, concurrency * 2);
    const full = [...this.#runs].filter(([, run]) => run.isFull).map(([id]) => id);
    this.#wakeUp = Promise.withResolvers();
    // Without the sign of life others would take at once what is claimed now.
    if (room < concurrency || !listener.connected) return this.#waitForWork();
    const items = await claimItems(catalog, listener.instance, room, [...this.#left, ...full]);
    for (const item of items) this.#begin(item);
    if (items.length < room) await this.#waitForWork();
  }

  /** Resolves when there may be something to do: a call, a finished tenant, or after some time. */
  async #waitForWork(): Promise<void> {
    const timer = new AbortController();
    const { signal } = timer;
    await Promise.race([this.#wakeUp.promise, sleep(LOOK_MS, undefined, { signal }).catch(() => undefined)]);
    timer.abort();
  }

  #begin(item: RunItem): void {
    this.#held.add(item.claim);
    const task: Promise<void> = this.#work(item).finally(() => {
      this.#tasks.delete(task);
      this.#held.delete(item.claim);
    });
    this.#tasks.add(task);
  }

  async #work(item: RunItem): Promise<void> {
    const run = this.#activeRun(item.run);
    run.open += 1;
    run.underWay += 1;
    const context = await run.context;
    await run.limit(() => this.#limit(() => this.#migrate(run, context, item)));
    run.underWay -= 1;
    if (!run.isFull) this.#wakeUp.resolve();
    // With the last one there is nothing to be gathered any more, and the run may be at its end.
    await (run.underWay === 0 ? run.journal.flush() : run.journal.written());
    run.open -= 1;
    if (run.open === 0) this.#runs.delete(item.run);
  }

  async #migrate(run: ActiveRun, context: RunContext | undefined, item: RunItem): Promise<void> {
    const { journal } = run;
    // A run that stops begins nothing any more, so that whoever is there may look what became of it.
    const isLeft = !context || (context.mismatch !== undefined && !run.stopping);
    if (isLeft || (run.stopping && item.attempts === 0) || this.#stop.signal.aborted) {
      const { position, tenantId, claim, attempts } = item;
      const nothing = { applied: [], records: [], events: [], durationMs: 0 };
      journal.finish({ position, tenantId, claim, attempts, status: 'PENDING', ...nothing });
      return;
    }
    const result = await this.#tryOnce(run, context, item);
    journal.finish(result);
    const { continueOnError, maxFailures } = context.options;
    // This failure may be the one too many, so the next tenant waits until that has been found out.
    if (result.status === 'FAILED' && (!continueOnError || maxFailures !== undefined)) await journal.flush();
  }

  async #tryOnce({ journal, stopping, signal }: ActiveRun, context: RunContext, item: RunItem): Promise<ItemResult> {
    if (stopping) return inspectTenant(context, item, this.#interrupt.signal);
    journal.begin(item);
    // Should this one kill the process at once, it must be known which it was.
    if (item.attempts > 0) await journal.flush();
    return migrateTenant(context, item, signal);
  }

  #activeRun(id: string): ActiveRun {
    const known = this.#runs.get(id);
    if (known) return known;
    const signals = { stop: this.#stop.signal, interrupt: this.#interrupt.signal, giveUp: this.#giveUp.signal };
    const run = new ActiveRun(id, this.#options, signals, () => this.#left.add(id));
    this.#runs.set(id, run);
    return run;
  }

  async #takeOver(): Promise<void> {
    const { catalog, listener, log } = this.#options;
    this.#left.clear();
    const claimed = await claimsOf(catalog, listener.instance);
    const unknown = new Set(claimed.filter((claim) => !this.#held.has(claim)));
    // A claim that was committed without an answer is known to nobody; one that is under way is known the next time.
    const lost = claimed.filter((claim) => unknown.has(claim) && this.#unknown.has(claim));
    this.#unknown = unknown;
    const count = await takeOverItems(catalog, lost);
    if (count > 0) log.warn({ tenants: count }, 'taking over tenants in migration runs that nobody works on any more');
  }
}
