import { defineEntity, p } from '@mikro-orm/core';
import type { CheckpointKind } from './checkpoint.entity.ts';
import type { AppliedMigration } from './migration-state.entity.ts';
import { Tenant } from './tenant.entity.ts';

/** What a run does with each tenant. */
export const runKinds = ['UP', 'DOWN', 'UNDO'] as const;

/** How a run stands. */
export const runStatuses = ['PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'HALTED', 'CANCELLED'] as const;
export type MigrationRunStatus = (typeof runStatuses)[number];

/** How one tenant of a run stands. */
export const runItemStatuses = ['PENDING', 'RUNNING', 'SUCCEEDED', 'SKIPPED', 'FAILED', 'CANCELLED'] as const;
export type RunItemStatus = (typeof runItemStatuses)[number];

/** Which migrations to take back: the last so many, all after a name, or those that one run applied. */
export type DownTarget =
  | { readonly kind: 'steps'; readonly steps: number }
  | { readonly kind: 'to'; readonly to: string }
  | { readonly kind: 'run'; readonly run: string };

/** What was asked of a run; kept with it, so that another process can go on with it. */
export interface RunOptions {
  /** The last migration to apply; undefined: the newest. */
  readonly to?: string;
  /** Set in a run that takes migrations back, and applies none. */
  readonly down?: DownTarget;
  readonly dryRun: boolean;
  readonly continueOnError: boolean;
  /** Failures beyond which no further tenant is started; undefined: any number, but no wave starts after one that had any. */
  readonly maxFailures?: number;
  /** What a batch is to be able to go back to; undefined: what it needs. */
  readonly checkpoint?: CheckpointKind;
  /** Tenants at once. */
  readonly concurrency: number;
  /** Whether tenants are looked into that the catalog calls current. */
  readonly verify: boolean;
  /** Sizes of waves, such as 1, 10% and 100%; undefined: all at once. */
  readonly waves?: readonly string[];
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
    /** The migrations that it was planned with; they may be many, so that they are read only by who carries it out. */
    files: p.json<(AppliedMigration & { scope?: 'COMMON' })[]>().nullable().lazy(),
    error: p.text().nullable(),
    total: p.integer().default(0),
    succeeded: p.integer().default(0),
    failed: p.integer().default(0),
    skipped: p.integer().default(0),
    cancelled: p.integer().default(0),
    /** The sequence number of its last event. */
    lastSeq: p.integer().default(0),
    /** The wave that is under way, from 1, and how many there are. */
    wave: p.integer().default(0),
    waves: p.integer().default(1),
    /** How it is to end, while tenants under way still end. */
    stopping: p.enum(['HALTED', 'CANCELLED'] as const).nullable(),
    parentId: p.uuid().nullable(),
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
    /** Null if it is deleted. */
    tenant: () => p.manyToOne(Tenant).nullable().ref(),
    /** The slug that it had. */
    deletedTenant: p.text().nullable(),
    wave: p.integer().default(0),
    status: p.enum(runItemStatuses).default('PENDING'),
    applied: p.array<string>().columnType('text[]'),
    attempts: p.integer().default(0),
    /** While RUNNING: the number of the process that works on it. */
    claimedBy: p.integer().nullable(),
    /** While RUNNING: names the claim; whoever has lost it may not say how the tenant ended. */
    claim: p.uuid().nullable(),
    /** While PENDING: nobody claims it before. */
    notBefore: p.datetime(3).nullable(),
    error: p.text().nullable(),
    /** It failed, and is not as it was before: somebody has to look at the tenant. */
    needsAttention: p.boolean().default(false),
    startedAt: p.datetime(3).nullable(),
    endedAt: p.datetime(3).nullable(),
    durationMs: p.double().$type<number>().nullable(),
  },
});

/** What a run did with one tenant. */
export class MigrationRunItem extends MigrationRunItemSchema.class {}

MigrationRunItemSchema.setClass(MigrationRunItem);
