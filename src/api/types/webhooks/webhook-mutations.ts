import type { Webhook } from '../../../catalog/entities/webhook.entity.ts';
import { builder } from '../../builder.ts';
import { WebhookDeliveryRef, WebhookEventRef, WebhookRef } from './webhook.ts';

const CreatedWebhookRef = builder
  .objectRef<{ readonly webhook: Webhook; readonly secret: string }>('CreatedWebhook')
  .implement({
    fields: (t) => ({
      webhook: t.field({ type: WebhookRef, resolve: ({ webhook }) => webhook }),
      secret: t.exposeString('secret', {
        description: 'Verifies the signatures of its requests. It is not shown again.',
      }),
    }),
  });

const CreateWebhookInput = builder.inputType('CreateWebhookInput', {
  fields: (t) => ({
    url: t.string({
      required: true,
      maxLength: 2000,
      description:
        'It begins with https://, and its host has public addresses, unless WEBHOOK_PRIVATE_NETWORKS is set.',
    }),
    events: t.field({ type: [WebhookEventRef], required: true }),
    description: t.string({ maxLength: 200 }),
  }),
});

const UpdateWebhookInput = builder.inputType('UpdateWebhookInput', {
  description: 'What is left out stays.',
  fields: (t) => ({
    url: t.string({ maxLength: 2000 }),
    events: t.field({ type: [WebhookEventRef] }),
    description: t.string({ maxLength: 200 }),
    enabled: t.boolean({ description: 'True continues with the oldest pending delivery at once.' }),
  }),
});

builder.mutationFields((t) => ({
  createWebhook: t.field({
    type: CreatedWebhookRef,
    authScopes: { platformAdmin: true },
    args: { input: t.arg({ type: CreateWebhookInput, required: true }) },
    resolve: (_root, { input: { description, ...input } }, { services }) =>
      services.webhooks.create({ ...input, description: description ?? undefined }),
  }),
  updateWebhook: t.field({
    type: WebhookRef,
    authScopes: { platformAdmin: true },
    args: { id: t.arg.id({ required: true }), input: t.arg({ type: UpdateWebhookInput, required: true }) },
    resolve: (_root, { id, input }, { services }) =>
      services.webhooks.update(id, {
        url: input.url ?? undefined,
        events: input.events ?? undefined,
        description: input.description ?? undefined,
        enabled: input.enabled ?? undefined,
      }),
  }),
  deleteWebhook: t.field({
    type: 'Boolean',
    description: 'Deletes a webhook with its deliveries. Returns false if there was none.',
    authScopes: { platformAdmin: true },
    args: { id: t.arg.id({ required: true }) },
    resolve: (_root, { id }, { services }) => services.webhooks.delete(id),
  }),
  redeliverWebhook: t.field({
    type: WebhookDeliveryRef,
    description:
      'Sends an event again. A delivered one is repeated by a new delivery after those that wait; a pending one is tried at once, with those before it.',
    authScopes: { platformAdmin: true },
    args: { delivery: t.arg.id({ required: true }) },
    resolve: (_root, { delivery }, { services }) => services.webhooks.redeliver(delivery),
  }),
}));
