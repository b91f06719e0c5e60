import { integer, type Setting } from './setting-types.ts';

const days = integer(0, 36_500);

/** How long records are kept, in days. */
export const retentionSettings = {
  TENANT_RETENTION_DAYS: {
    schema: integer(0, 3650),
    default: '7',
    meaning:
      'how many days a deleted tenant can be brought back with undeleteTenant before it is removed for good; 0 removes it at once',
  },
  RUN_EVENT_RETENTION_DAYS: {
    schema: days,
    default: '90',
    meaning: 'days after the end of a migration run until its events are deleted; 0 keeps them',
  },
  RUN_ITEM_RETENTION_DAYS: {
    schema: days,
    default: '365',
    meaning:
      'days after the end of a migration run until the results of its tenants are deleted; it can then be neither resumed nor undone; 0 keeps them',
  },
  DELETED_RECORD_RETENTION_DAYS: {
    schema: days,
    default: '365',
    meaning:
      "age at which records of migrations of removed tenants are deleted from the fleet's history, in days; 0 keeps them",
  },
  AUDIT_RETENTION_DAYS: {
    schema: days.refine((value) => value === 0 || value >= 30, { error: 'must be 0, or at least 30' }),
    default: '0',
    meaning: 'age at which entries of the audit log are deleted, in days, at least 30; 0 keeps them',
  },
  SIGN_IN_RETENTION_DAYS: {
    schema: days.refine((value) => value === 0 || value >= 30, { error: 'must be 0, or at least 30' }),
    default: '0',
    meaning:
      'the same for entries of the audit log about signing in and out; 0 keeps them as long as AUDIT_RETENTION_DAYS says',
  },
} as const satisfies Record<string, Setting>;
