import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Logger } from 'pino';
import type { RunOptions } from '../catalog/migration-run.entity.ts';
import type { Isolation } from '../catalog/tenant.entity.ts';
import { AppError, messageOf } from '../errors.ts';
import { isTransient } from '../postgres/error-codes.ts';
import type { Placement } from '../tenancy/placement.ts';
import type { NewRecord } from './history.ts';
import { readAppliedByRun } from './history.ts';
import {
  type MigrateOptions,
  type MigrateOutcome,
  MigrationFailedError,
  migrateDatabase,
  recordFailure,
} from './migrate-database.ts';
import type { MigrationFile } from './migration-files.ts';
import type { Entry, ItemResult } from './run-journal.ts';

/** A tenant that is next in a run. */
export interface RunItem extends Placement {
  readonly position: number;
  readonly tenantId: string;
  readonly isolation: Isolation;
  /** How often it has been tried before, by this process or one that died. */
  readonly attempts: number;
}

/** What a run does with each of its tenants. */
export interface TenantJob {
  readonly run: string;
  readonly checkpoint: string;
  readonly options: RunOptions;
  readonly files: readonly MigrationFile[];
  readonly lockTimeoutMs: number;
  /** Lends an owner's connection to the tenant's database. */
  readonly connect: <T>(item: RunItem, use: (client: pg.Client) => Promise<T>) => Promise<T>;
  /** Tells that something happened. */
  readonly tell: (...entries: Entry[]) => void;
  readonly log: Logger;
}

const MAX_TRIES = 3;
const FIRST_DELAY_MS = 200;

/** Brings one tenant forward, trying again what may pass, and tells what happened. It never throws. */
export async function migrateTenant(job: TenantJob, item: RunItem): Promise<ItemResult> {
  const { tenantId } = item;
  const start = performance.now();
  job.tell({ kind: 'TENANT_STARTED', tenantId });
  for (let tries = 1; ; tries += 1) {
    const attempts = item.attempts + tries;
    try {
      return succeed(job, item, attempts, start, await attempt(job, item));
    } catch (error) {
      if (tries < MAX_TRIES && isTransient(error)) {
        job.tell({ kind: 'TENANT_RETRYING', tenantId, message: messageOf(error) });
        await sleep(FIRST_DELAY_MS * 2 ** (tries - 1) * (0.5 + Math.random()));
      } else {
        return fail(job, item, attempts, start, error);
      }
    }
  }
}

type Outcome = MigrateOutcome & { readonly appliedNames: readonly string[] };

function attempt(job: TenantJob, item: RunItem): Promise<Outcome> {
  return job.connect(item, async (client) => {
    const outcome = await migrateDatabase(client, migrateOptions(job, item));
    const names = outcome.records.map(({ name }) => name);
    // A process that died may have committed this very batch, and had no time to say so.
    const before = item.attempts > 0 ? await readAppliedByRun(client, item.schema, job.run) : [];
    return { ...outcome, appliedNames: [...new Set([...before, ...names])] };
  });
}

function succeed(job: TenantJob, item: RunItem, attempts: number, start: number, outcome: Outcome): ItemResult {
  const { tenantId } = item;
  const { dryRun } = job.options;
  const applied = outcome.appliedNames;
  const result: ItemResult = {
    position: item.position,
    tenantId,
    status: applied.length > 0 ? 'SUCCEEDED' : 'SKIPPED',
    applied,
    attempts,
    durationMs: performance.now() - start,
    records: dryRun ? [] : outcome.records,
    ...(!dryRun && { state: outcome.applied }),
  };
  job.tell(
    ...outcome.warnings.map((message): Entry => ({ kind: 'TENANT_STARTED', tenantId, message })),
    ...applied.map(
      (migration): Entry => ({
        kind: 'MIGRATION_APPLIED',
        tenantId,
        migration,
        ...(dryRun && { message: 'tried, and rolled back' }),
      }),
    ),
    { kind: result.status === 'SUCCEEDED' ? 'TENANT_SUCCEEDED' : 'TENANT_SKIPPED', tenantId, result },
  );
  return result;
}

async function fail(
  job: TenantJob,
  item: RunItem,
  attempts: number,
  start: number,
  error: unknown,
): Promise<ItemResult> {
  const { tenantId } = item;
  const message = error instanceof AppError ? `${error.code}: ${error.message}` : messageOf(error);
  const failure = error instanceof MigrationFailedError ? error : undefined;
  job.log.warn(
    { err: error, run: job.run, tenant: tenantId },
    'a tenant could not be migrated and is as it was before',
  );
  const result: ItemResult = {
    position: item.position,
    tenantId,
    status: 'FAILED',
    applied: [],
    attempts,
    error: message,
    durationMs: performance.now() - start,
    records: failure && !job.options.dryRun ? await record(job, item, failure) : [],
  };
  job.tell({ kind: 'TENANT_FAILED', tenantId, message, ...(failure && { migration: failure.migration.name }), result });
  return result;
}

async function record(job: TenantJob, item: RunItem, failure: MigrationFailedError): Promise<NewRecord[]> {
  try {
    return [await job.connect(item, (client) => recordFailure(client, failure, migrateOptions(job, item)))];
  } catch (error) {
    job.log.error(
      { err: error, run: job.run, tenant: item.tenantId },
      "a failed attempt cannot be recorded in the tenant's history",
    );
    return [];
  }
}

function migrateOptions(
  { run, checkpoint, options, files, lockTimeoutMs }: TenantJob,
  { schema }: RunItem,
): MigrateOptions {
  return { scope: 'TENANT', schema, files, to: options.to, dryRun: options.dryRun, run, checkpoint, lockTimeoutMs };
}
