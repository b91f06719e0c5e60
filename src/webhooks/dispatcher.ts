import type { Logger } from 'pino';
import type { Catalog } from '../catalog/catalog.ts';
import type { Encryption } from '../lib/encryption.ts';
import { repeatUntil, WakeUp } from '../lib/retry-loop.ts';
import type { Listener } from '../postgres/listener.ts';
import {
  type ClaimedWebhook,
  claimWebhooks,
  deleteOldDeliveries,
  nextDelivery,
  type PendingDelivery,
  recordDelivered,
  recordFailure,
  releaseWebhook,
} from './claims.ts';
import { type SendResult, sendWebhook } from './send.ts';

/** What delivering events needs. */
export interface DispatcherOptions {
  readonly catalog: Catalog;
  readonly listener: Pick<Listener, 'on' | 'instance' | 'connected'>;
  /** Decrypts the secrets of webhooks. */
  readonly encryption: Encryption;
  readonly allowPrivate: boolean;
  /** How long deliveries are kept. */
  readonly retentionDays: number;
  readonly log: Logger;
}

/** The channel on which writers of events notify dispatchers. */
export const webhookChannel = 'webhooks';

/** The purpose of the encryption of webhooks' secrets. */
export const webhookSecrets = 'webhooks.secret';

/** How often to look for events without a notification, in milliseconds. Further attempts are found this way. */
const LOOK_MS = 1_000;
/** The number of webhooks that this process delivers to at once. */
const CONCURRENCY = 8;
/** After this time, other webhooks have their turn, in milliseconds. */
const TURN_MS = 5_000;
/** How long requests in progress may take when the process stops, in milliseconds. */
const STOP_MS = 3_000;
const CLEAN_UP_MS = 3_600_000;

/** Delivers events to webhooks, in competition with other processes: one at a time, and in order, for each webhook. */
export class Dispatcher implements AsyncDisposable {
  readonly #options: DispatcherOptions;
  readonly #active = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();
  /** Interrupts requests in progress. */
  readonly #interrupt = new AbortController();
  readonly #wakeUp = new WakeUp();
  #loops: Promise<unknown> = Promise.resolve();

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** Starts delivering. */
  start(): void {
    const { listener, log } = this.#options;
    const unsubscribe = listener.on(webhookChannel, () => this.#wakeUp.call());
    const onError = (err: unknown) => log.warn({ err }, 'could not look for events for webhooks; retrying');
    this.#loops = Promise.all([
      repeatUntil(this.#stop.signal, () => this.#look(), 0, onError),
      repeatUntil(this.#stop.signal, () => this.#cleanUp(), CLEAN_UP_MS, onError),
    ]).finally(unsubscribe);
  }

  /** Waits for requests in progress, up to a limit. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#wakeUp.call();
    const timer = setTimeout(() => this.#interrupt.abort(), STOP_MS);
    await this.#loops;
    await Promise.all(this.#active.values());
    clearTimeout(timer);
  }

  async #look(): Promise<void> {
    const { catalog, listener } = this.#options;
    this.#wakeUp.reset();
    const most = CONCURRENCY - this.#active.size;
    // Without its liveness lock, other processes would immediately take over anything claimed now.
    if (most > 0 && listener.connected) {
      const active = [...this.#active.keys()];
      const claimed = await catalog.use((client) => claimWebhooks(client, listener.instance, { most, active }));
      for (const webhook of claimed) this.#begin(webhook);
    }
    await this.#wakeUp.wait(LOOK_MS);
  }

  #begin(webhook: ClaimedWebhook): void {
    const { log } = this.#options;
    const work = this.#deliver(webhook)
      .catch((err: unknown) => {
        log.warn({ err, webhook: webhook.id }, 'could not deliver events to a webhook; retrying');
      })
      .finally(() => {
        this.#active.delete(webhook.id);
        this.#wakeUp.call();
      });
    this.#active.set(webhook.id, work);
  }

  async #deliver(webhook: ClaimedWebhook): Promise<void> {
    const { catalog } = this.#options;
    const end = performance.now() + TURN_MS;
    while (performance.now() < end && !this.#stop.signal.aborted) {
      const next = await catalog.use((client) => nextDelivery(client, webhook));
      if (!next) break;
      const result = await this.#send(webhook, next);
      // An interrupted attempt says nothing about the receiver.
      if (this.#interrupt.signal.aborted && result.error !== null) break;
      if (result.error !== null) return this.#fail(webhook, next, result);
      await catalog.use((client) => recordDelivered(client, webhook, next.id, result));
    }
    await catalog.use((client) => releaseWebhook(client, webhook));
  }

  async #send({ id, url, secret: encrypted }: ClaimedWebhook, delivery: PendingDelivery): Promise<SendResult> {
    const { encryption, allowPrivate } = this.#options;
    const secret = encryption.decrypt(encrypted, id);
    if (secret === undefined) {
      return { statusCode: null, error: 'The secret was stored with another ROLE_SECRET. Create the webhook again.' };
    }
    return sendWebhook({ url, secret, ...delivery }, allowPrivate, this.#interrupt.signal);
  }

  async #fail(webhook: ClaimedWebhook, { id }: PendingDelivery, result: SendResult): Promise<void> {
    const { catalog, log } = this.#options;
    const reason = await catalog.use((client) => recordFailure(client, webhook, id, result));
    const fields = { webhook: webhook.id, delivery: id, error: result.error };
    if (reason === undefined) log.info(fields, 'an event could not be delivered to a webhook; will try again');
    else log.warn({ ...fields, reason }, 'a webhook was switched off; enable it again with updateWebhook');
  }

  async #cleanUp(): Promise<void> {
    const { catalog, retentionDays } = this.#options;
    while (!this.#stop.signal.aborted) {
      if (!(await catalog.use((client) => deleteOldDeliveries(client, retentionDays)))) return;
    }
  }
}
