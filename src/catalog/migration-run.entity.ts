import { defineEntity, p } from '@mikro-orm/core';
import { Tenant } from './tenant.entity.ts';

/** What a run does with each tenant. */
export const runKinds = ['UP', 'DOWN', 'UNDO'] as const;

/** How a run stands. */
export const runStatuses = ['PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'HALTED', 'CANCELLED'] as const;
export type MigrationRunStatus = (typeof runStatuses)[number];

/** How one tenant of a run stands. */
export const runItemStatuses = ['PENDING', 'RUNNING', 'SUCCEEDED', 'SKIPPED', 'FAILED', 'CANCELLED'] as const;
export type RunItemStatus = (typeof runItemStatuses)[number];

/** What was asked of a run; kept with it, so that another process can go on with it. */
export interface RunOptions {
  /** The last migration to apply; undefined: the newest. */
  readonly to?: string;
  readonly dryRun: boolean;
  readonly continueOnError: boolean;
  /** Failures beyond which no further tenant is started; undefined: any number. */
  readonly maxFailures?: number;
  /** Tenants at once. */
  readonly concurrency: number;
  /** Whether tenants are looked into that the catalog calls current. */
  readonly verify: boolean;
}

/** The table `migration_runs`: one call to migrate many tenants a row. */
export const MigrationRunSchema = defineEntity({
  name: 'MigrationRun',
  tableName: 'migration_runs',
  properties: {
    id: p.uuid().primary(),
    kind: p.enum(runKinds).default('UP'),
    status: p.enum(runStatuses).default('PENDING'),
    options: p.json<RunOptions>(),
    /** The name that the state before the run has in each tenant's history. */
    checkpoint: p.text(),
    error: p.text().nullable(),
    total: p.integer().default(0),
    succeeded: p.integer().default(0),
    failed: p.integer().default(0),
    skipped: p.integer().default(0),
    cancelled: p.integer().default(0),
    /** The sequence number of its last event. */
    lastSeq: p.integer().default(0),
    /** The number of the process that carries it out. */
    claimedBy: p.integer().nullable(),
    createdAt: p.datetime(3).defaultRaw('now()'),
    startedAt: p.datetime(3).nullable(),
    endedAt: p.datetime(3).nullable(),
  },
});

/** One call to migrate many tenants. */
export class MigrationRun extends MigrationRunSchema.class {}

MigrationRunSchema.setClass(MigrationRun);

/** The table `migration_run_items`: one tenant of one run a row. */
export const MigrationRunItemSchema = defineEntity({
  name: 'MigrationRunItem',
  tableName: 'migration_run_items',
  properties: {
    run: () => p.manyToOne(MigrationRun).primary().ref(),
    position: p.integer().primary(),
    tenant: () => p.manyToOne(Tenant).ref(),
    wave: p.integer().default(0),
    status: p.enum(runItemStatuses).default('PENDING'),
    applied: p.array<string>().columnType('text[]'),
    attempts: p.integer().default(0),
    error: p.text().nullable(),
    startedAt: p.datetime(3).nullable(),
    endedAt: p.datetime(3).nullable(),
    durationMs: p.double().$type<number>().nullable(),
  },
});

/** What a run did with one tenant. */
export class MigrationRunItem extends MigrationRunItemSchema.class {}

MigrationRunItemSchema.setClass(MigrationRunItem);
