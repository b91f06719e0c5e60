import { flag, integer, type Setting } from './setting-types.ts';

/** The settings of webhooks. */
export const webhookSettings = {
  WEBHOOK_PRIVATE_NETWORKS: {
    schema: flag,
    default: 'false',
    meaning: 'whether webhooks may have addresses of private networks and of this machine, and URLs with http',
  },
  WEBHOOK_RETENTION_DAYS: {
    schema: integer(2, 3650),
    default: '30',
    meaning: 'age at which a delivery of a webhook is deleted, in days',
  },
} as const satisfies Record<string, Setting>;
