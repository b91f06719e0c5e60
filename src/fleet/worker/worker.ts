import pLimit, { type LimitFunction } from 'p-limit';
import { repeatUntil, WakeUp } from '../../lib/retry-loop.ts';
import { elapsedSince } from '../../lib/time.ts';
import type { Listener } from '../../postgres/listener.ts';
import type { Meters } from '../../telemetry/meters.ts';
import { asTraceHeaders, inSpan } from '../../telemetry/tracing.ts';
import { ActiveRun, type RunWorkOptions } from './active-run.ts';
import { claimItems, claimsOf, type RunItem, takeOverItems } from './claim.ts';
import { inspectTenant, migrateTenant } from './migrate-tenant.ts';
import { OpenRuns } from './open-runs.ts';
import type { RunContext } from './run-context.ts';
import { workChannel } from './wake-up.ts';
import type { ItemResult } from './write-results.ts';

/** Dependencies of a worker. */
export interface WorkerOptions extends RunWorkOptions {
  readonly listener: Listener;
  readonly meters: Meters;
  /** For how long a server has not answered this process, in milliseconds; 0 if it has answered the last attempt to connect. */
  readonly downForMs: (server: string) => number;
}

/** How often to look for work without a wake-up, in milliseconds. Delayed retries are found this way. */
const LOOK_MS = 500;
/** How often to look for tenants of dead processes, in milliseconds. */
const TAKE_OVER_MS = 5_000;
/** How long tenants of a server that does not answer are left to processes that may reach it, in milliseconds. */
const AVOID_MS = 5_000;
/** How long a server may not answer before attempts at its tenants count, in milliseconds. It may be failing over. */
const FAIL_OVER_MS = 30_000;
/** How long a stopping worker retries recording its results, in milliseconds. */
const GIVE_UP_MS = 10_000;

/** What an attempt that ends in each status is counted as. */
const outcomes = { SUCCEEDED: 'succeeded', SKIPPED: 'skipped', FAILED: 'failed', PENDING: 'released' } as const;

/** Another process has taken a tenant over, because this one had lost its liveness lock. */
class TakenOverError extends Error {
  constructor() {
    super('another process has taken it over');
  }
}

/** Carries out runs: claims tenants in competition with other processes and works on several at once. */
export class Worker implements AsyncDisposable {
  readonly #options: WorkerOptions;
  readonly #limit: LimitFunction;
  readonly #runs = new Map<string, ActiveRun>();
  readonly #tasks = new Set<Promise<void>>();
  readonly #open: OpenRuns;
  /** Whether there may be runs that this process has not looked at. */
  #mustLook = true;
  #lookedAt = 0;
  /** The claims that this process is working on. */
  readonly #held = new Set<string>();
  /** When servers that did not answer are tried again, by their names. */
  readonly #avoided = new Map<string, number>();
  /** The attempts in progress, by their claims. */
  readonly #attempts = new Map<string, AbortController>();
  /** This process's claims in the catalog that it didn't know of at the last check. */
  #unknown: ReadonlySet<string> = new Set();
  readonly #stop = new AbortController();
  /** Interrupts all work in progress. */
  readonly #interrupt = new AbortController();
  readonly #giveUp = new AbortController();
  readonly #wakeUp = new WakeUp();
  #loops: Promise<unknown> = Promise.resolve();
  #stopped: Promise<void> | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#limit = pLimit(options.concurrency);
    this.#open = new OpenRuns(options);
  }

  /** Starts working. */
  start(): void {
    const unsubscribe = this.#options.listener.on(workChannel, (run) => {
      this.#mustLook = true;
      this.#wakeUp.call();
      for (const [id, active] of this.#runs) if (run === undefined || run === id) void active.refreshStopping();
    });
    const onError = (err: unknown) => this.#options.log.warn({ err }, 'could not look for migration runs; retrying');
    this.#loops = Promise.all([
      repeatUntil(this.#stop.signal, () => this.#claim(), 0, onError),
      repeatUntil(this.#stop.signal, () => this.#takeOver(), TAKE_OVER_MS, onError),
    ]).finally(unsubscribe);
  }

  /**
   * Claims no more tenants. Tenants in progress may finish, or are rolled back and released when the time is over.
   * Queued tenants are released immediately.
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
    this.#wakeUp.call();
    const reason = new Error('it did not finish before the process that worked on it stopped');
    const interruptTimer = setTimeout(() => this.#interrupt.abort(reason), stopMs);
    // Results that cannot be written because `auth` is unreachable are left to the process that takes over.
    const giveUpTimer = setTimeout(() => this.#giveUp.abort(), GIVE_UP_MS);
    await this.#loops;
    await Promise.all(this.#tasks);
    clearTimeout(interruptTimer);
    clearTimeout(giveUpTimer);
  }

  async #claim(): Promise<void> {
    const { catalog, listener, concurrency } = this.#options;
    // Claims more tenants than it works on, so that the next ones are ready. A slow run is limited to its share, so
    // that other runs can proceed beside it.
    const room = [...this.#runs.values()].reduce((left, run) => left - run.room, concurrency * 2);
    this.#wakeUp.reset();
    // Without its liveness lock, other processes would immediately take over anything claimed now.
    if (room < concurrency || !listener.connected) return this.#wakeUp.wait(LOOK_MS);
    await this.#look();
    const { life } = listener;
    const able = this.#open.able.filter((id) => !this.#runs.get(id)?.isFull);
    const items = able.length > 0 ? await claimItems(catalog, listener.instance, room, able, this.#unreachable()) : [];
    for (const item of items) this.#begin(item, life);
    if (items.length < room) await this.#wakeUp.wait(LOOK_MS);
  }

  async #look(): Promise<void> {
    if (!this.#mustLook && elapsedSince(this.#lookedAt) < LOOK_MS) return;
    this.#mustLook = false;
    this.#lookedAt = performance.now();
    await this.#open.look();
  }

  #unreachable(): readonly string[] {
    const now = performance.now();
    for (const [server, until] of this.#avoided) if (until <= now) this.#avoided.delete(server);
    return [...this.#avoided.keys()];
  }

  #begin(item: RunItem, life: number | undefined): void {
    this.#held.add(item.claim);
    const task: Promise<void> = this.#work(item, life).finally(() => {
      this.#tasks.delete(task);
      this.#held.delete(item.claim);
    });
    this.#tasks.add(task);
  }

  async #work(item: RunItem, life: number | undefined): Promise<void> {
    const run = this.#activeRun(item.run);
    run.open += 1;
    run.underWay += 1;
    const context = await run.context;
    await run.limit(() => this.#limit(() => this.#migrate(run, context, item, life)));
    run.underWay -= 1;
    if (!run.isFull) this.#wakeUp.call();
    // After the last tenant there is nothing left to gather, and the run may be complete.
    await (run.underWay === 0 ? run.journal.flush() : run.journal.written());
    run.open -= 1;
    if (run.open === 0) this.#runs.delete(item.run);
  }

  async #migrate(
    run: ActiveRun,
    context: RunContext | undefined,
    item: RunItem,
    life: number | undefined,
  ): Promise<void> {
    const { journal } = run;
    // A stopping run starts nothing new, so even a process with a mismatch may inspect what was done.
    // Another process may have taken over a tenant that was claimed under a lost liveness lock.
    const isOurs = life !== undefined && life === this.#options.listener.life;
    const mustRelease = !isOurs || !context || (context.mismatch !== undefined && !run.stopping);
    if (mustRelease || (run.stopping && item.attempts === 0) || this.#stop.signal.aborted) {
      const { position, tenantId, claim, attempts } = item;
      const nothing = { applied: [], records: [], events: [], durationMs: 0 };
      journal.finish({ position, tenantId, claim, attempts, status: 'PENDING', ...nothing });
      return;
    }
    const attributes = () => ({ 'tenantry.run': item.run, 'tenantry.tenant': item.tenantId });
    const start = { attributes, from: asTraceHeaders(context.options.trace) };
    const result = await inSpan('migrate tenant', start, () => this.#tryOnce(run, context, item));
    this.#options.meters.runTenant(outcomes[result.status], result.durationMs);
    const downForMs = this.#options.downForMs(item.server);
    const mayFailOver = result.status === 'PENDING' && downForMs > 0 && downForMs < FAIL_OVER_MS;
    if (mayFailOver) this.#avoided.set(item.server, performance.now() + AVOID_MS);
    journal.finish(mayFailOver ? { ...result, attempts: item.attempts } : result);
    const { continueOnError, maxFailures } = context.options;
    // This failure may exceed the limit, so the next tenant waits until the run is settled.
    if (result.status === 'FAILED' && (!continueOnError || maxFailures !== undefined)) await journal.flush();
  }

  async #tryOnce({ journal, stopping, signal }: ActiveRun, context: RunContext, item: RunItem): Promise<ItemResult> {
    const takenOver = new AbortController();
    this.#attempts.set(item.claim, takenOver);
    const until = (other: AbortSignal) => AbortSignal.any([other, takenOver.signal]);
    try {
      if (stopping) return await inspectTenant(context, item, until(this.#interrupt.signal));
      journal.begin(item);
      // If this attempt kills the process, the catalog must already know which tenant was being tried.
      if (item.attempts > 0) await journal.flush();
      return await migrateTenant(context, item, until(signal));
    } finally {
      this.#attempts.delete(item.claim);
    }
  }

  #activeRun(id: string): ActiveRun {
    const known = this.#runs.get(id);
    if (known) return known;
    const signals = { stop: this.#stop.signal, interrupt: this.#interrupt.signal, giveUp: this.#giveUp.signal };
    const run = new ActiveRun(id, this.#options, signals, () => this.#open.leave(id));
    this.#runs.set(id, run);
    return run;
  }

  async #takeOver(): Promise<void> {
    const { catalog, listener, log } = this.#options;
    this.#open.recheck();
    const attempts = [...this.#attempts];
    const claimed = await claimsOf(catalog, listener.instance);
    const stillOurs = new Set(claimed);
    for (const [claim, attempt] of attempts) if (!stillOurs.has(claim)) attempt.abort(new TakenOverError());
    const unknown = new Set(claimed.filter((claim) => !this.#held.has(claim)));
    // A claim whose commit got no response is unknown to this process. A claim in progress is known at the next check.
    const lost = claimed.filter((claim) => unknown.has(claim) && this.#unknown.has(claim));
    this.#unknown = unknown;
    if (!listener.mayTakeOver) return;
    const count = await takeOverItems(catalog, lost);
    if (count > 0) log.warn({ tenants: count }, 'took over tenants of migration runs whose claims were lost');
  }
}
