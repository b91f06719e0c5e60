import { defineEntity, p } from '@mikro-orm/core';
import type { CheckpointKind } from './checkpoint.entity.ts';
import type { AppliedMigration } from './migration-state.entity.ts';
import { Tenant } from './tenant.entity.ts';

/** What a run does with each tenant. */
export const runKinds = ['UP', 'DOWN', 'UNDO'] as const;

/** The statuses of a run. */
export const runStatuses = ['PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'HALTED', 'CANCELLED'] as const;
export type MigrationRunStatus = (typeof runStatuses)[number];

/** The statuses of one tenant in a run. */
export const runItemStatuses = ['PENDING', 'RUNNING', 'SUCCEEDED', 'SKIPPED', 'FAILED', 'CANCELLED'] as const;
export type RunItemStatus = (typeof runItemStatuses)[number];

/** The migrations to revert: the last ones by number, all after a name, or those of one run. */
export type DownTarget =
  | { readonly kind: 'steps'; readonly steps: number }
  | { readonly kind: 'to'; readonly to: string }
  | { readonly kind: 'run'; readonly run: string };

/** The options of a run. They are stored so that any process can continue the run. */
export interface RunOptions {
  /** The last migration to apply; undefined: the newest. */
  readonly to?: string;
  /** Set in a run that reverts migrations and applies none. */
  readonly down?: DownTarget;
  readonly dryRun: boolean;
  /** If false, the first failure stops the run. */
  readonly continueOnError: boolean;
  /** The run halts after more failures than this. Undefined: no wave starts after one with a failure. */
  readonly maxFailures?: number;
  /** How failed batches must be undone; undefined: as each batch needs it. */
  readonly checkpoint?: CheckpointKind;
  /** Whether each migration is committed by itself. If one fails, `down()` reverts those before it. */
  readonly separateTransactions?: boolean;
  /** The number of tenants that are migrated at once. */
  readonly concurrency: number;
  /** Whether to inspect tenants that are current according to the catalog. */
  readonly verify: boolean;
  /** The headers that say which trace started the run; undefined without one. */
  readonly trace?: Readonly<Record<string, string>>;
  /** Sizes of waves, such as 1, 10% and 100%; undefined: a single wave. */
  readonly waves?: readonly string[];
}

/** The table `migration_runs`. */
export const MigrationRunSchema = defineEntity({
  name: 'MigrationRun',
  tableName: 'migration_runs',
  properties: {
    id: p.uuid().primary(),
    kind: p.enum(runKinds).default('UP'),
    status: p.enum(runStatuses).default('PENDING'),
    options: p.json<RunOptions>(),
    /** The name of the restore point before the run, in each tenant's history. */
    checkpoint: p.text(),
    /** The migrations that the run was planned with. There may be many, so only workers load them. */
    files: p.json<(AppliedMigration & { scope?: 'COMMON' })[]>().nullable().lazy(),
    error: p.text().nullable(),
    total: p.integer().default(0),
    succeeded: p.integer().default(0),
    failed: p.integer().default(0),
    skipped: p.integer().default(0),
    /** How many tenants had ended when it was started or resumed. */
    skippedAtStart: p.integer().default(0),
    cancelled: p.integer().default(0),
    /** The sequence number of its last event. */
    lastSeq: p.integer().default(0),
    /** The current wave, from 1, and the number of waves. */
    wave: p.integer().default(0),
    waves: p.integer().default(1),
    /** Why the run starts no more tenants; null while it does. */
    stopping: p.enum(['HALTED', 'CANCELLED'] as const).nullable(),
    parentId: p.uuid().nullable(),
    createdAt: p.datetime(3).defaultRaw('now()'),
    startedAt: p.datetime(3).nullable(),
    endedAt: p.datetime(3).nullable(),
    /** When the deletion of its old events began. */
    eventsDroppedAt: p.datetime(3).nullable(),
    /** When the deletion of its old items began. Since then it can be neither resumed nor undone. */
    itemsDroppedAt: p.datetime(3).nullable(),
  },
});

/** A migration run over many tenants. */
export class MigrationRun extends MigrationRunSchema.class {}

MigrationRunSchema.setClass(MigrationRun);

/** The table `migration_run_items`: a row for each tenant of each run. */
export const MigrationRunItemSchema = defineEntity({
  name: 'MigrationRunItem',
  tableName: 'migration_run_items',
  properties: {
    run: () => p.manyToOne(MigrationRun).primary().createForeignKeyConstraint(false).ref(),
    position: p.integer().primary(),
    /** Null if the tenant was deleted: a trigger sees to that. Neither is a foreign key, which would be checked for each tenant. */
    tenant: () => p.manyToOne(Tenant).createForeignKeyConstraint(false).nullable().ref(),
    /** The slug of a deleted tenant. */
    deletedTenant: p.text().nullable(),
    wave: p.integer().default(0),
    status: p.enum(runItemStatuses).default('PENDING'),
    applied: p.array<string>().columnType('text[]'),
    attempts: p.integer().default(0),
    /** While RUNNING: the number of the process that works on it. */
    claimedBy: p.integer().nullable(),
    /** While RUNNING: identifies the claim. A worker that has lost its claim may not store a result. */
    claim: p.uuid().nullable(),
    /** While PENDING: it may not be claimed before this time. */
    notBefore: p.datetime(3).nullable(),
    error: p.text().nullable(),
    /** It failed and could not be restored, so an operator must look at the tenant. */
    needsAttention: p.boolean().default(false),
    startedAt: p.datetime(3).nullable(),
    endedAt: p.datetime(3).nullable(),
    durationMs: p.double().$type<number>().nullable(),
  },
});

/** One tenant of a run, with its result. */
export class MigrationRunItem extends MigrationRunItemSchema.class {}

MigrationRunItemSchema.setClass(MigrationRunItem);
