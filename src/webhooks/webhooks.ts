import { randomBytes, randomUUID } from 'node:crypto';
import type { Catalog } from '../catalog/catalog.ts';
import { Webhook, WebhookDelivery } from '../catalog/entities/webhook.entity.ts';
import type { Encryption } from '../lib/encryption.ts';
import { AppError, badInput } from '../lib/errors.ts';
import { isPlainLine } from '../lib/input.ts';
import { isUuid } from '../lib/uuid.ts';
import { isWebhookEventType, webhookEventTypes } from './events.ts';
import { validUrl } from './url.ts';

/** What creating and changing webhooks needs. */
export interface WebhooksOptions {
  readonly catalog: Catalog;
  /** Encrypts the secrets of webhooks. */
  readonly encryption: Encryption;
  /** Whether receivers may be in private networks, and be reached without TLS. */
  readonly allowPrivate: boolean;
}

/** The properties of a webhook. */
export interface WebhookInput {
  /** At most 2,000 characters. */
  readonly url: string;
  /** The types of the events that it receives. */
  readonly events: readonly string[];
  /** At most 200 characters. */
  readonly description?: string | undefined;
}

/** A change of a webhook; what is undefined stays. */
export interface WebhookChange {
  readonly url?: string | undefined;
  readonly events?: readonly string[] | undefined;
  readonly description?: string | undefined;
  readonly enabled?: boolean | undefined;
}

/** The maximum number of webhooks. */
export const MAX_WEBHOOKS = 20;
const MAX_DESCRIPTION = 200;
/** The length of a secret before it is encoded, in bytes. */
const SECRET_BYTES = 32;

/** Creates, changes and deletes webhooks. */
export class Webhooks {
  readonly #options: WebhooksOptions;

  constructor(options: WebhooksOptions) {
    this.#options = options;
  }

  /** Lists all webhooks, oldest first. */
  list(): Promise<Webhook[]> {
    return this.#options.catalog.fork().find(Webhook, {}, { orderBy: { createdAt: 'asc', id: 'asc' } });
  }

  /**
   * Creates a webhook.
   * @returns the webhook, and its secret, which cannot be read again
   * @throws {AppError} BAD_USER_INPUT, or CONFLICT if there are {@link MAX_WEBHOOKS} already
   */
  async create(input: WebhookInput): Promise<{ readonly webhook: Webhook; readonly secret: string }> {
    const { catalog, encryption, allowPrivate } = this.#options;
    const url = await validUrl(input.url, allowPrivate);
    const events = validEvents(input.events);
    const description = validDescription(input.description ?? '');
    const id = randomUUID();
    const secret = `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`;
    // The lock makes concurrent calls count each other's webhooks.
    const webhook = await catalog.fork().transactional(async (em) => {
      await em.execute('LOCK TABLE webhooks IN SHARE ROW EXCLUSIVE MODE');
      if ((await em.count(Webhook)) >= MAX_WEBHOOKS) {
        throw new AppError('CONFLICT', `There are ${MAX_WEBHOOKS} webhooks, which is the limit. Delete one first.`);
      }
      return em.create(Webhook, { id, url, events, description, secret: encryption.encrypt(secret, id) });
    });
    return { webhook, secret };
  }

  /**
   * Changes a webhook. One that is switched on again continues with its oldest pending delivery at once.
   * @throws {AppError} NOT_FOUND, BAD_USER_INPUT
   */
  async update(id: string, input: WebhookChange): Promise<Webhook> {
    const { catalog, allowPrivate } = this.#options;
    const em = catalog.fork();
    const webhook = await em.findOneOrFail(Webhook, { id: idOf(id) }, { failHandler: () => noWebhook(id) });
    const { url, events, description, enabled } = input;
    const change = {
      ...(url !== undefined && { url: await validUrl(url, allowPrivate) }),
      ...(events !== undefined && { events: validEvents(events) }),
      ...(description !== undefined && { description: validDescription(description) }),
      ...(enabled !== undefined && { isEnabled: enabled, disabledReason: null }),
    };
    // Any change may have fixed the cause of the failures.
    const fresh = { failures: 0, failingSince: null, nextAttemptAt: new Date() };
    em.assign(webhook, { ...change, ...((url !== undefined || enabled) && fresh) });
    await em.flush();
    if (webhook.isEnabled) await this.#wake();
    return webhook;
  }

  /**
   * Deletes a webhook with its deliveries.
   * @returns false if there was none
   */
  async delete(id: string): Promise<boolean> {
    if (!isUuid(id)) return false;
    const em = this.#options.catalog.fork();
    // Transactions with events for it wait while its row is being deleted. That must be quick, so its deliveries are deleted first.
    await em.nativeUpdate(Webhook, { id }, { isEnabled: false });
    await em.nativeDelete(WebhookDelivery, { webhook: id });
    return (await em.nativeDelete(Webhook, { id })) > 0;
  }

  /**
   * Sends an event again. One that was received is repeated after those that wait; one that waits is tried at once.
   * @returns the delivery that will be made
   * @throws {AppError} NOT_FOUND, CONFLICT if its webhook is switched off
   */
  async redeliver(delivery: string): Promise<WebhookDelivery> {
    const em = this.#options.catalog.fork();
    const found = /^\d{1,18}$/.test(delivery)
      ? await em.findOne(WebhookDelivery, { id: delivery }, { populate: ['webhook'] })
      : null;
    if (!found)
      throw new AppError(
        'NOT_FOUND',
        `There is no delivery ${delivery}. \`tenantry webhook deliveries\` and the query webhooks { deliveries } list them.`,
      );
    const webhook = found.webhook.getEntity();
    if (!webhook.isEnabled) {
      throw new AppError(
        'CONFLICT',
        `The webhook ${webhook.id} is switched off. Enable it with the mutation updateWebhook first.`,
      );
    }
    webhook.nextAttemptAt = new Date();
    if (found.deliveredAt == null) {
      await em.flush();
      await this.#wake();
      return found;
    }
    const { eventId, event, payload } = found;
    const again = em.create(WebhookDelivery, { webhook, eventId, event, payload });
    await em.flush();
    await this.#wake();
    return again;
  }

  async #wake(): Promise<void> {
    await this.#options.catalog.use((client) => client.query(`SELECT notify_if_room('webhooks', '')`));
  }
}

/** Returns an id for a query; one that is not a UUID matches nothing. */
function idOf(id: string): string {
  if (isUuid(id)) return id;
  throw noWebhook(id);
}

function noWebhook(id: string): AppError {
  return new AppError('NOT_FOUND', `There is no webhook ${id}. List them with webhooks or tenantry webhook list.`);
}

function validEvents(events: readonly string[]): string[] {
  const unknown = events.find((event) => !isWebhookEventType(event));
  if (events.length > 0 && unknown === undefined) return [...new Set(events)];
  const message = unknown === undefined ? 'Name at least one event' : `There is no event ${unknown}`;
  throw badInput('events', `${message}. The events are: ${webhookEventTypes.join(', ')}`);
}

function validDescription(text: string): string {
  if (text.length <= MAX_DESCRIPTION && isPlainLine(text)) return text;
  throw badInput('description', `A description has at most ${MAX_DESCRIPTION} characters, all visible and on one line`);
}
