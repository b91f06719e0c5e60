import { defineEntity, p } from '@mikro-orm/core';
import { MigrationState } from './migration-state.entity.ts';
import { User } from './user.entity.ts';

/** Whether a tenant has its own database or a schema in its server's shared database. */
export const isolations = ['DATABASE', 'SCHEMA'] as const;
export type Isolation = (typeof isolations)[number];

/** The statuses of a tenant. */
export const tenantStatuses = [
  'PROVISIONING',
  'ACTIVE',
  'SUSPENDED',
  'MAINTENANCE',
  'NEEDS_ATTENTION',
  'DELETED',
  'DELETING',
] as const;
export type TenantStatus = (typeof tenantStatuses)[number];

/** The removal of a tenant for good. What there was is read before anything is dropped; it is the proof in the audit log. */
export interface Removal {
  readonly by: string;
  /** The id of the user, if it was one. */
  readonly userId?: string | undefined;
  readonly begunAt: string;
  readonly inventory?: Inventory;
}

/** What a tenant consists of. Undefined numbers could not be read. */
export interface Inventory {
  /** The size of its database or of the tables and indexes of its schema. */
  readonly bytes?: number | undefined;
  readonly tables?: number | undefined;
  /** PostgreSQL's estimate. */
  readonly rows?: number | undefined;
  readonly files?: number | undefined;
  readonly fileBytes?: number | undefined;
  readonly checkpoints: number;
  /** The names of the first of them. */
  readonly checkpointNames: readonly string[];
  readonly members: number;
}

/** The tenant that another one is a clone of. It may have been deleted since. */
export interface ClonedFrom {
  readonly id: string;
  readonly slug: string;
  /** The name of the checkpoint, if the clone is of one. */
  readonly checkpoint: string | null;
}

/** The table `tenants`. */
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
    /** Ten characters of [0-9a-z] that are part of the names of its database, schema and role. */
    key: p.text().unique(),
    server: p.text(),
    database: p.text(),
    schema: p.text(),
    /** Null while the tenant's migrations are unknown. */
    migrationState: () => p.manyToOne(MigrationState).fieldName('migration_state').nullable().ref(),
    /** While PROVISIONING or DELETING: the number of the process that works on it. */
    claimedBy: p.integer().nullable(),
    /** The user who created the tenant and became its first owner; null for tenants that platform admins created. */
    createdBy: () => p.manyToOne(User).fieldName('created_by').deleteRule('set null').nullable().ref(),
    createdAt: p.datetime(3).defaultRaw('now()'),
    /** When it was put into the bin, or its removal began. */
    deletedAt: p.datetime(3).nullable(),
    /** Who did that. */
    deletedBy: p.text().nullable(),
    /** While DELETED: when it is removed for good. */
    purgeAt: p.datetime(3).nullable(),
    /** While DELETED: the status that it gets back. */
    statusBeforeDeletion: p.enum(['ACTIVE', 'SUSPENDED', 'NEEDS_ATTENTION'] as const).nullable(),
    /** The run that brings it back, or tried to. */
    undeleteRun: p.uuid().nullable(),
    /** While DELETING, unless its creation failed: who asked for the removal, and what there was to remove. */
    removal: p.json<Removal>().nullable(),
    /** What it is a clone of. */
    clonedFrom: p.json<ClonedFrom>().nullable(),
    /** While MAINTENANCE for a moment only, for which requests wait: when that should have ended. */
    pauseEndsAt: p.datetime(3).nullable(),
    /** When its list of migrations last changed. A trigger sets it. */
    lastMigratedAt: p.datetime(3).nullable(),
  },
});

/** A tenant with its placement. */
export class Tenant extends TenantSchema.class {}

TenantSchema.setClass(Tenant);
