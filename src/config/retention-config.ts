import type { SettingValues } from './settings.ts';

/** How long records are kept, in days; 0: for ever, except for tenants in the bin, which have no time there then. */
export interface RetentionConfig {
  readonly tenantDays: number;
  readonly runEventDays: number;
  readonly runItemDays: number;
  readonly deletedRecordDays: number;
  readonly auditDays: number;
  readonly signInDays: number;
}

/** Reads it from the settings. */
export function retentionConfig(values: SettingValues): RetentionConfig {
  return {
    tenantDays: values.TENANT_RETENTION_DAYS,
    runEventDays: values.RUN_EVENT_RETENTION_DAYS,
    runItemDays: values.RUN_ITEM_RETENTION_DAYS,
    deletedRecordDays: values.DELETED_RECORD_RETENTION_DAYS,
    auditDays: values.AUDIT_RETENTION_DAYS,
    signInDays: values.SIGN_IN_RETENTION_DAYS,
  };
}
