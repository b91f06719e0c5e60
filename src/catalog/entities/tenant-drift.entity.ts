import { defineEntity, p } from '@mikro-orm/core';

/** The table `tenant_drifts`: what the last check of each tenant's tables has found. */
export const TenantDriftSchema = defineEntity({
  name: 'TenantDrift',
  tableName: 'tenant_drifts',
  properties: {
    tenantId: p.uuid().primary(),
    checkedAt: p.datetime(3).defaultRaw('now()'),
    /** The number of statements that would make the tables match the entities. */
    differences: p.integer(),
    /** The first of them, cut to a bounded length. */
    statements: p.array<string>().columnType('text[]'),
    /** Why the last check failed; the other properties are then those of the check before. */
    error: p.text().nullable(),
  },
});

/** The result of the last check of a tenant's tables. */
export class TenantDrift extends TenantDriftSchema.class {}

TenantDriftSchema.setClass(TenantDrift);
