import { defineEntity, p } from '@mikro-orm/core';

/** The table `webhooks`: addresses that receive events. */
export const WebhookSchema = defineEntity({
  name: 'Webhook',
  tableName: 'webhooks',
  properties: {
    id: p.uuid().primary(),
    url: p.text(),
    /** The types of the events that it receives. */
    events: p.array<string>().columnType('text[]'),
    description: p.text(),
    /** The encrypted secret that signs requests. Loaded lazily, because only the sender decrypts it. */
    secret: p.text().lazy().hidden(),
    isEnabled: p.boolean().default(true),
    /** Why Tenantry has switched it off; null if it is enabled or somebody else has. */
    disabledReason: p.text().nullable(),
    /** Failed attempts since the last successful one. */
    failures: p.integer().default(0),
    /** When the first of them was made. */
    failingSince: p.datetime(3).nullable(),
    nextAttemptAt: p.datetime(3).defaultRaw('now()'),
    /** The number of the process that delivers its events, and the name of its claim. */
    claim: p.uuid().nullable(),
    claimedBy: p.integer().nullable(),
    createdAt: p.datetime(3).defaultRaw('now()'),
  },
});

/** An address that receives events. */
export class Webhook extends WebhookSchema.class {}

WebhookSchema.setClass(Webhook);

/** The table `webhook_deliveries`: events to send, and those that were sent. A webhook receives them in the order of their ids. */
export const WebhookDeliverySchema = defineEntity({
  name: 'WebhookDelivery',
  tableName: 'webhook_deliveries',
  properties: {
    id: p.bigint('string').primary(),
    webhook: () => p.manyToOne(Webhook).deleteRule('cascade').ref(),
    /** Deliveries of one event to several webhooks, and repeated deliveries, share it. */
    eventId: p.uuid(),
    event: p.text(),
    /** The body of the request, byte for byte. */
    payload: p.text(),
    attempts: p.integer().default(0),
    /** The HTTP status of the last attempt; null if there was no response. */
    statusCode: p.integer().nullable(),
    /** Why the last attempt failed. */
    error: p.text().nullable(),
    createdAt: p.datetime(3).defaultRaw('now()'),
    attemptedAt: p.datetime(3).nullable(),
    /** Null while it is pending. */
    deliveredAt: p.datetime(3).nullable(),
  },
});

/** An event for one webhook. */
export class WebhookDelivery extends WebhookDeliverySchema.class {}

WebhookDeliverySchema.setClass(WebhookDelivery);
