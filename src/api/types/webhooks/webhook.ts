import { Webhook, WebhookDelivery } from '../../../catalog/entities/webhook.entity.ts';
import { entityConnection } from '../../../orm/pagination.ts';
import { isWebhookEventType, webhookEvents, webhookEventTypes } from '../../../webhooks/events.ts';
import { MAX_WEBHOOKS } from '../../../webhooks/webhooks.ts';
import { builder } from '../../builder.ts';

/** The GraphQL enum of events: `tenant.created` is TENANT_CREATED. */
export const WebhookEventRef = builder.enumType('WebhookEvent', {
  description: 'What webhooks receive.',
  values: Object.fromEntries(
    webhookEventTypes.map((type) => [
      type.replace('.', '_').toUpperCase(),
      { value: type, description: webhookEvents[type].description },
    ]),
  ),
});

const DeliveryStatusRef = builder.enumType('WebhookDeliveryStatus', {
  values: {
    PENDING: {
      description: 'It is sent after those before it, or again after a failure, while the webhook is enabled.',
    },
    DELIVERED: { description: 'The receiver has accepted it.' },
  } as const,
});

/** The GraphQL type of a delivery. */
export const WebhookDeliveryRef = builder.objectType(WebhookDelivery, {
  name: 'WebhookDelivery',
  description: 'An event for one webhook.',
  fields: (t) => ({
    id: t.exposeID('id'),
    eventId: t.exposeID('eventId', {
      description:
        'The header webhook-id. Repeated deliveries of an event have the same, so receivers can tell what they have seen.',
    }),
    event: t.field({
      type: WebhookEventRef,
      nullable: true,
      description: 'Null for an event of a newer version.',
      resolve: ({ event }) => (isWebhookEventType(event) ? event : null),
    }),
    status: t.field({
      type: DeliveryStatusRef,
      resolve: ({ deliveredAt }) => (deliveredAt == null ? 'PENDING' : 'DELIVERED'),
    }),
    payload: t.exposeString('payload', { description: 'The body of the request, which is JSON.' }),
    attempts: t.exposeInt('attempts'),
    statusCode: t.int({
      nullable: true,
      description: 'The HTTP status of the last attempt. Null if there was no response.',
      resolve: ({ statusCode }) => statusCode ?? null,
    }),
    error: t.string({
      nullable: true,
      description: 'Why the last attempt failed.',
      resolve: ({ error }) => error ?? null,
    }),
    createdAt: t.field({ type: 'DateTime', resolve: ({ createdAt }) => createdAt }),
    attemptedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it was last sent.',
      resolve: ({ attemptedAt }) => attemptedAt ?? null,
    }),
    deliveredAt: t.field({
      type: 'DateTime',
      nullable: true,
      resolve: ({ deliveredAt }) => deliveredAt ?? null,
    }),
  }),
});

/** The GraphQL type of a webhook. */
export const WebhookRef = builder.objectType(Webhook, {
  name: 'Webhook',
  description: 'An address that receives a signed request for each event. See docs/webhooks.md.',
  fields: (t) => ({
    id: t.exposeID('id'),
    url: t.exposeString('url'),
    events: t.field({
      type: [WebhookEventRef],
      maxItems: webhookEventTypes.length,
      resolve: ({ events }) => events.filter(isWebhookEventType),
    }),
    description: t.exposeString('description'),
    enabled: t.exposeBoolean('isEnabled', {
      description: 'While it is false, events are not stored for it. Its pending deliveries wait.',
    }),
    disabledReason: t.string({
      nullable: true,
      description: 'Why Tenantry has switched it off. Null if it is enabled or somebody has switched it off.',
      resolve: ({ disabledReason }) => disabledReason ?? null,
    }),
    failingSince: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When the first of the failed attempts since the last successful one was made.',
      resolve: ({ failingSince }) => failingSince ?? null,
    }),
    nextAttemptAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'While it fails: when the oldest pending delivery is tried again.',
      resolve: ({ failingSince, isEnabled, nextAttemptAt }) =>
        failingSince != null && isEnabled ? nextAttemptAt : null,
    }),
    createdAt: t.field({ type: 'DateTime', resolve: ({ createdAt }) => createdAt }),
    deliveries: t.connection(
      {
        type: WebhookDeliveryRef,
        description: 'Newest first. WEBHOOK_RETENTION_DAYS limits how long they are kept.',
        args: { status: t.arg({ type: DeliveryStatusRef }) },
        resolve: ({ id }, { status, ...page }, { services }) =>
          entityConnection(services.catalog.fork(), WebhookDelivery, page, {
            where: {
              webhook: id,
              ...(status && { deliveredAt: status === 'PENDING' ? null : { $ne: null } }),
            },
            orderBy: { id: 'desc' },
          }),
      },
      { name: 'WebhookDeliveryConnection' },
      { name: 'WebhookDeliveryEdge' },
    ),
  }),
});

builder.queryField('webhooks', (t) =>
  t.field({
    type: [WebhookRef],
    description: `Oldest first; at most ${MAX_WEBHOOKS}.`,
    nullable: true,
    maxItems: MAX_WEBHOOKS,
    authScopes: { platformAdmin: true },
    resolve: (_root, _args, { services }) => services.webhooks.list(),
  }),
);
