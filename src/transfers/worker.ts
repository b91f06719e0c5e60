import { repeatUntil, WakeUp } from '../lib/retry-loop.ts';
import { ActiveTransfer } from './active-transfer.ts';
import { attemptTransfer, StoppedError } from './attempt.ts';
import { transferWorkChannel } from './events.ts';
import type { TransferOptions } from './options.ts';
import { claimTransfer } from './store.ts';

/** How many transfers a process carries out at once. Each copies several tables at once. */
const CONCURRENCY = 2;
/** How often to look for transfers without a wake-up, in milliseconds. Delayed and abandoned ones are found this way. */
const LOOK_MS = 1_000;

/** Carries out transfers: claims them in competition with other processes. */
export class TransferWorker implements AsyncDisposable {
  readonly #options: TransferOptions;
  readonly #active = new Map<string, ActiveTransfer>();
  readonly #tasks = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  readonly #wakeUp = new WakeUp();
  #loop: Promise<unknown> = Promise.resolve();
  #stopped: Promise<void> | undefined;

  constructor(options: TransferOptions) {
    this.#options = options;
  }

  /** Starts working. */
  start(): void {
    const { listener, log } = this.#options;
    const unsubscribe = listener.on(transferWorkChannel, (transfer) => {
      this.#wakeUp.call();
      for (const [id, active] of this.#active) if (transfer === undefined || transfer === id) void active.check();
    });
    const onError = (err: unknown) => log.warn({ err }, 'could not look for transfers of tenants; retrying');
    this.#loop = repeatUntil(this.#stop.signal, () => this.#look(), 0, onError).finally(unsubscribe);
  }

  /** Claims no more transfers, and leaves those in progress to other processes, which start them over. */
  stop(): Promise<void> {
    this.#stopped ??= this.#end();
    return this.#stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #end(): Promise<void> {
    this.#stop.abort();
    this.#wakeUp.call();
    for (const active of this.#active.values()) active.abort(new StoppedError());
    await this.#loop;
    await Promise.all(this.#tasks);
  }

  async #look(): Promise<void> {
    const { catalog, listener, underWay } = this.#options;
    this.#wakeUp.reset();
    // Without its liveness lock, other processes would immediately take over anything claimed now.
    while (this.#active.size < CONCURRENCY && listener.mayTakeOver && !this.#stop.signal.aborted) {
      const transfer = await catalog.use((client) => claimTransfer(client, listener.instance, underWay.ids()));
      if (!transfer) break;
      this.#begin(new ActiveTransfer(this.#options, transfer));
    }
    await this.#wakeUp.wait(LOOK_MS);
  }

  #begin(active: ActiveTransfer): void {
    const { id } = active.transfer;
    const working = this.#options.underWay.begin(id);
    this.#active.set(id, active);
    if (this.#stop.signal.aborted) active.abort(new StoppedError());
    const task: Promise<void> = attemptTransfer(active).finally(() => {
      working[Symbol.dispose]();
      this.#active.delete(id);
      this.#tasks.delete(task);
      this.#wakeUp.call();
    });
    this.#tasks.add(task);
  }
}
