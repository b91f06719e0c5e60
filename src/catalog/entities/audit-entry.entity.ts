import { defineEntity, p } from '@mikro-orm/core';

/**
 * The table `audit_log`: who did what. Triggers prevent the removal of rows, and allow only one change: the count may grow within
 * the minute of the row.
 */
export const AuditEntrySchema = defineEntity({
  name: 'AuditEntry',
  tableName: 'audit_log',
  properties: {
    id: p.bigint('string').primary(),
    at: p.datetime(3).defaultRaw('now()'),
    /** An email address, or whatever else identifies the actor. */
    actor: p.text(),
    userId: p.uuid().nullable(),
    action: p.text(),
    /** Not a relation, because the entry outlives the tenant. */
    tenantId: p.uuid().nullable(),
    /** OK or the code of the error. */
    outcome: p.text(),
    address: p.text().nullable(),
    requestId: p.text().nullable(),
    /** JSON, without passwords and tokens. */
    details: p.text().nullable(),
    /** How often it happened within the minute. */
    count: p.integer().default(1),
    /** When it last happened; null if it happened once. */
    lastAt: p.datetime(3).nullable(),
    /** Repetitions within a minute share this key and one entry; null for entries that are never merged. */
    repeatKey: p.text().nullable().unique('audit_log_repeat_key_key'),
  },
});

/** An action or an attempt at one. */
export class AuditEntry extends AuditEntrySchema.class {}

AuditEntrySchema.setClass(AuditEntry);
