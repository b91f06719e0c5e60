import { defineEntity, p } from '@mikro-orm/core';
import { MigrationState } from './migration-state.entity.ts';
import { User } from './user.entity.ts';

/** Whether a tenant owns a database, or a schema of its server's shared database. */
export const isolations = ['DATABASE', 'SCHEMA'] as const;
export type Isolation = (typeof isolations)[number];

/** What may be done with a tenant at present. */
export const tenantStatuses = [
  'PROVISIONING',
  'ACTIVE',
  'SUSPENDED',
  'MAINTENANCE',
  'NEEDS_ATTENTION',
  'DELETING',
] as const;
export type TenantStatus = (typeof tenantStatuses)[number];

/** The table `tenants`: one customer a row. */
export const TenantSchema = defineEntity({
  name: 'Tenant',
  tableName: 'tenants',
  properties: {
    id: p.uuid().primary(),
    slug: p.text().unique(),
    name: p.text(),
    host: p.text().nullable().unique(),
    status: p.enum(tenantStatuses),
    isolation: p.enum(isolations),
    /** Ten characters of [0-9a-z] from which the names of its database, schema and role are made. */
    key: p.text().unique(),
    server: p.text(),
    database: p.text(),
    schema: p.text(),
    /** Undefined while nothing is known of the migrations that it has. */
    migrationState: () => p.manyToOne(MigrationState).fieldName('migration_state').nullable().ref(),
    /** While PROVISIONING or DELETING: the number of the process that works on it. */
    claimedBy: p.integer().nullable(),
    /** The user who created it and became its first owner; undefined for tenants of platform admins. */
    createdBy: () => p.manyToOne(User).fieldName('created_by').deleteRule('set null').nullable().ref(),
    createdAt: p.datetime(3).defaultRaw('now()'),
  },
});

/** One customer, with its placement. */
export class Tenant extends TenantSchema.class {}

TenantSchema.setClass(Tenant);
