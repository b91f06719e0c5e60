import { z } from 'zod';
import { runKinds, runStatuses } from '../catalog/entities/migration-run.entity.ts';
import { isolations } from '../catalog/entities/tenant.entity.ts';

const tenant = z.strictObject({
  id: z.uuid(),
  slug: z.string(),
  name: z.string(),
  isolation: z.enum(isolations),
  server: z.string(),
});

const count = z.int().nonnegative();

const run = z.strictObject({
  id: z.uuid(),
  kind: z.enum(runKinds),
  status: z.enum(runStatuses),
  dryRun: z.boolean(),
  total: count,
  succeeded: count,
  failed: count,
  skipped: count,
  cancelled: count,
});

/** The number of statements in the event `drift.found`; migration 20261129190000 of `auth` has it too. */
export const MAX_DRIFT_STATEMENTS = 20;

const drift = z.strictObject({
  /** The number of statements that would make the tables match the entities. */
  count: z.int().positive(),
  statements: z.array(z.string()).max(MAX_DRIFT_STATEMENTS),
});

const ofTenant = z.strictObject({ tenant });
const ofRun = z.strictObject({ run });

/** The events that webhooks can receive, with a description and the schema of their data. Triggers in `auth` write them. */
export const webhookEvents = {
  'tenant.created': { description: 'A tenant was created and is served.', data: ofTenant },
  'tenant.suspended': { description: 'A tenant was suspended and is not served.', data: ofTenant },
  'tenant.activated': { description: 'A suspended tenant is served again.', data: ofTenant },
  'tenant.deleted': {
    description: 'A tenant was deleted: it is in the bin, or is being removed. It is no longer served.',
    data: ofTenant,
  },
  'tenant.undeleted': {
    description: 'A deleted tenant was brought back, with its former status.',
    data: ofTenant,
  },
  'tenant.purged': {
    description: 'A deleted tenant was removed for good, with its data and checkpoints.',
    data: ofTenant,
  },
  'tenant.moved': {
    description: 'A tenant was moved to another server or isolation; from says where it was.',
    data: z.strictObject({ tenant, from: z.strictObject({ isolation: z.enum(isolations), server: z.string() }) }),
  },
  'tenant.needs_attention': {
    description:
      'A migration failed and could not be reverted. The tenant is not served until somebody has checked it and called resolveTenant.',
    data: ofTenant,
  },
  'run.halted': {
    description:
      'Too many tenants of a run have failed, so no more are started: cancelled counts those. run.ended follows when the tenants in progress have ended.',
    data: ofRun,
  },
  'run.ended': { description: 'A run ended, whatever its status.', data: ofRun },
  'checkpoint.restored': {
    description: 'A tenant was restored to a checkpoint.',
    data: z.strictObject({ tenant, checkpoint: z.strictObject({ id: z.uuid(), name: z.string() }) }),
  },
  'drift.found': {
    description: `A check found differences between a tenant's tables and the entities, other than those of the check before. The event has at most ${MAX_DRIFT_STATEMENTS} statements.`,
    data: z.strictObject({ tenant, drift }),
  },
} as const satisfies Record<string, { readonly description: string; readonly data: z.ZodType }>;

/** The type of an event, such as `tenant.created`. */
export type WebhookEventType = keyof typeof webhookEvents;

/** The types of all events. */
export const webhookEventTypes = Object.keys(webhookEvents) as readonly WebhookEventType[];

/** Whether a text is the type of an event. */
export function isWebhookEventType(text: string): text is WebhookEventType {
  return Object.hasOwn(webhookEvents, text);
}

/** Returns the schema of the body of a request. */
export function payloadSchema(type: WebhookEventType) {
  return z.strictObject({
    type: z.literal(type),
    timestamp: z.iso.datetime({ precision: 3 }),
    data: webhookEvents[type].data,
  });
}
