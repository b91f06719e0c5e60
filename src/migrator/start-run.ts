import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { Catalog } from '../catalog/catalog.ts';
import type { RunOptions } from '../catalog/migration-run.entity.ts';
import { AppError, badInput } from '../errors.ts';
import type { MigrationFile } from './migration-files.ts';
import { currentStateIds } from './tenant-states.ts';

/** What is asked of a new run. */
export interface RunRequest extends RunOptions {
  /** Ids or slugs; without them the whole fleet. */
  readonly tenants?: readonly string[] | undefined;
}

/** The statuses of tenants that belong to the fleet: suspended ones are migrated too, so that they can come back. */
export const fleetStatuses = ['ACTIVE', 'SUSPENDED'] as const;

/**
 * Writes down a new run with an item for each tenant. Tenants that the catalog calls current are skipped at once.
 * @param claimedBy the number of the process that will carry it out; undefined if any may
 * @returns the run's id
 * @throws {AppError} NOT_FOUND for unknown tenants, BAD_USER_INPUT if `to` or a number makes no sense
 */
export async function startRun(
  catalog: Catalog,
  files: readonly MigrationFile[],
  request: RunRequest,
  claimedBy: number | undefined,
): Promise<string> {
  checkRequest(files, request);
  const { tenants, ...options } = request;
  const run = randomUUID();
  await catalog.use(async (client) => {
    const ids = tenants && (await resolveTenants(client, tenants));
    const current = options.verify ? [] : await currentStateIds(client, files, options.to);
    await client.query('BEGIN');
    try {
      await client.query('INSERT INTO migration_runs (id, options, checkpoint, claimed_by) VALUES ($1, $2, $3, $4)', [
        run,
        JSON.stringify(options),
        checkpointName(new Date()),
        claimedBy,
      ]);
      await insertItems(client, run, ids, current);
      await client.query('COMMIT');
    } catch (error) {
      await client.query('ROLLBACK').catch(() => undefined);
      throw error;
    }
  });
  return run;
}

/** The ids of tenants that are named by id or slug. */
export async function resolveTenants(client: pg.Client, references: readonly string[]): Promise<string[]> {
  const { rows } = await client.query<{ reference: string; id: string | null; status: string | null }>(
    `SELECT r.reference, t.id, t.status FROM unnest($1::text[]) AS r (reference)
     LEFT JOIN tenants t ON t.id::text = lower(r.reference) OR t.slug = r.reference`,
    [references],
  );
  const missing = rows.filter(({ id }) => id === null).map(({ reference }) => reference);
  if (missing.length > 0) {
    throw new AppError('NOT_FOUND', `There is no tenant ${missing.join(', ')}`, { details: { tenants: missing } });
  }
  const unready = rows.filter(({ status }) => !fleetStatuses.some((known) => known === status));
  if (unready.length > 0) {
    const list = unready.map(({ reference, status }) => `${reference} (${status})`).join(', ');
    throw new AppError('CONFLICT', `These tenants cannot be migrated in their present status: ${list}`);
  }
  return rows.flatMap(({ id }) => id ?? []);
}

/** @throws {AppError} BAD_USER_INPUT if there is no such migration */
export function checkTarget(files: readonly MigrationFile[], to: string | undefined): void {
  if (to === undefined || files.some(({ name }) => name === to)) return;
  const newest = files.at(-1)?.name;
  throw badInput('to', `There is no tenant migration ${to}${newest ? `; the newest is ${newest}` : ''}`);
}

/** The name of the state before a run, such as pre_migration_20231215_143022, in UTC. */
export function checkpointName(now: Date): string {
  const digits = now.toISOString().replace(/\D/g, '');
  return `pre_migration_${digits.slice(0, 8)}_${digits.slice(8, 14)}`;
}

function checkRequest(files: readonly MigrationFile[], { to, concurrency, maxFailures }: RunRequest): void {
  checkTarget(files, to);
  if (concurrency < 1 || concurrency > 1000) throw badInput('concurrency', 'concurrency must be from 1 to 1000');
  if (maxFailures !== undefined && maxFailures < 0) throw badInput('maxFailures', 'maxFailures must not be negative');
}

async function insertItems(
  client: pg.Client,
  run: string,
  ids: readonly string[] | undefined,
  current: readonly string[],
): Promise<void> {
  await client.query(
    `INSERT INTO migration_run_items (run_id, position, tenant_id, status, ended_at)
     SELECT $1, row_number() OVER (ORDER BY created_at, id), id,
       CASE WHEN is_current THEN 'SKIPPED' ELSE 'PENDING' END, CASE WHEN is_current THEN now() END
     FROM tenants, LATERAL (SELECT coalesce(migration_state = ANY ($3::text[]), false) AS is_current) c
     WHERE status = ANY ($4::text[]) AND ($2::uuid[] IS NULL OR id = ANY ($2))`,
    [run, ids, current, fleetStatuses],
  );
  await client.query(
    `UPDATE migration_runs SET (total, skipped) =
       (SELECT count(*), count(*) FILTER (WHERE i.status = 'SKIPPED') FROM migration_run_items i WHERE run_id = $1)
     WHERE id = $1`,
    [run],
  );
}
