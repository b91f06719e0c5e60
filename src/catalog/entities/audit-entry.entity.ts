import { defineEntity, p } from '@mikro-orm/core';

/**
 * The table `audit_log`: who did what. PostgreSQL lets nobody remove its rows, nor change more of one than that its count grows
 * in the minute of the row.
 */
export const AuditEntrySchema = defineEntity({
  name: 'AuditEntry',
  tableName: 'audit_log',
  properties: {
    id: p.bigint('string').primary(),
    at: p.datetime(3).defaultRaw('now()'),
    /** An email address, or what else is known of who it was. */
    actor: p.text(),
    userId: p.uuid().nullable(),
    action: p.text(),
    /** No relation, for the entry outlives the tenant. */
    tenantId: p.uuid().nullable(),
    /** OK, or the code of the error. */
    outcome: p.text(),
    address: p.text().nullable(),
    requestId: p.text().nullable(),
    /** JSON, without passwords and tokens. */
    details: p.text().nullable(),
    /** How often it happened in its minute. */
    count: p.integer().default(1),
    /** When it happened the last time; null if it happened once. */
    lastAt: p.datetime(3).nullable(),
    /** What makes entries equal, with the minute; null for an entry that stands alone. */
    repeatKey: p.text().nullable().unique('audit_log_repeat_key_key'),
  },
});

/** One thing that somebody did, or tried to. */
export class AuditEntry extends AuditEntrySchema.class {}

AuditEntrySchema.setClass(AuditEntry);
