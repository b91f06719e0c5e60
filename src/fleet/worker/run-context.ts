import type pg from 'pg';
import type { Logger } from 'pino';
import type { RunOptions } from '../../catalog/entities/migration-run.entity.ts';
import type { CheckpointsOptions } from '../../checkpoints/checkpoints.ts';
import type { MigrationFile } from '../../migrator/files/migration-file.ts';
import type { RunItem } from './claim.ts';
import type { RunCommon } from './run-common.ts';
import type { ItemProgress } from './write-progress.ts';

/** What all tenants of a run have in common. */
export interface RunContext {
  readonly run: string;
  readonly checkpoint: string;
  readonly options: RunOptions;
  /** The files that the run was planned with. */
  readonly files: readonly MigrationFile[];
  /** The migrations of `common`, which come before the tenants' own. */
  readonly common: RunCommon;
  /** Tenants whose migrations collided with those of others in a system catalog; they take turns from then on. */
  readonly colliding: Set<string>;
  /** Why this process must not carry out the run; undefined if it may. */
  readonly mismatch: string | undefined;
  readonly lockTimeoutMs: number;
  /** How long a batch of a backfill should take, in milliseconds. */
  readonly backfillBatchMs: number;
  /** Whether backfills are to stop after their current batch, because the run or this process is stopping. */
  readonly shouldPause: () => boolean;
  /** Records what an unfinished attempt has done so far. */
  readonly report: (progress: ItemProgress) => void;
  /** Acquires the owner's connection to the tenant's database, until the signal aborts. */
  readonly connect: <T>(item: RunItem, use: (client: pg.Client) => Promise<T>, signal?: AbortSignal) => Promise<T>;
  readonly checkpoints: CheckpointsOptions;
  readonly log: Logger;
}
