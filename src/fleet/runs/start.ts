import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { Catalog } from '../../catalog/catalog.ts';
import type { RunOptions } from '../../catalog/entities/migration-run.entity.ts';
import type { Tenant, TenantStatus } from '../../catalog/entities/tenant.entity.ts';
import { fromSql, itemSteps, runSteps } from '../../catalog/run-status.ts';
import { includesStatus } from '../../catalog/steps.ts';
import { fleetStatuses } from '../../catalog/tenant-status.ts';
import { AppError, badInput } from '../../lib/errors.ts';
import { shortList } from '../../lib/short-list.ts';
import { isUuid } from '../../lib/uuid.ts';
import type { MigrationFile } from '../../migrator/files/migration-file.ts';
import type { TenantFiles } from '../../migrator/files/migration-folders.ts';
import { lockKind } from '../../postgres/sql/advisory-lock.ts';
import { quoteLiteral } from '../../postgres/sql/quote.ts';
import { inTransaction } from '../../postgres/sql/transaction.ts';
import { inSpan, isTracing, SpanKind, traceHeaders } from '../../telemetry/tracing.ts';
import { appendEvents, type NewRunEvent } from '../events/append.ts';
import { type DoneStates, isDoneInSql, readDoneStates } from './done-states.ts';
import { plannedFiles } from './planned-files.ts';
import { reserve } from './reserve.ts';
import { settleRun, tenantsInWords } from './settle.ts';
import { waveEnds } from './waves.ts';

/** The parameters of a new run. */
export interface RunRequest extends RunOptions {
  /** Ids or slugs; if omitted, the whole fleet. */
  readonly tenants?: readonly string[] | undefined;
  /** Ids or slugs of tenants that are migrated first. The others follow in `sequence`. */
  readonly canaries?: readonly string[] | undefined;
  /** The ids of tenants in the order in which they are migrated. Tenants that it lacks come last, in order of creation. */
  readonly sequence?: readonly string[] | undefined;
  /** A tenant that the run brings back from the bin. It is the only one. */
  readonly undelete?: Pick<Tenant, 'id' | 'slug'>;
  /** What whoever follows the run has to know from the start. */
  readonly warnings?: readonly string[];
}

/**
 * Creates a run with an item for each tenant and starts its first wave. Tenants that are up to date according to the
 * catalog are skipped immediately.
 * @returns the run's id
 * @throws {AppError} NOT_FOUND for unknown tenants, CONFLICT for tenants that cannot be migrated now, BAD_USER_INPUT
 *   for an invalid `to`, number or canary
 */
export async function startRun(
  catalog: Catalog,
  { tenant: files, common }: TenantFiles,
  request: RunRequest,
): Promise<string> {
  checkRequest(files, request);
  const { tenants: references, canaries = [], sequence = [], warnings = [], undelete, ...options } = request;
  const id = randomUUID();
  const start = { kind: SpanKind.PRODUCER, attributes: () => ({ 'tenantry.run': id }) };
  const create = async (client: pg.Client) => {
    const ids = undelete ? [undelete.id] : references && (await resolveTenants(client, references));
    const first = await resolveTenants(client, canaries);
    checkCanaries(canaries, first, ids);
    const done = await readDoneStates(client, { tenant: files, common }, options);
    await inTransaction(client, async () => {
      // Removals wait for the items, so that they find even those of tenants that are skipped and not locked.
      await client.query(`SELECT pg_advisory_xact_lock_shared(${lockKind.items}, 0)`);
      const checkpoint = restorePointName(new Date());
      await insertRun(client, id, { checkpoint, files: plannedFiles({ tenant: files, common }), options });
      if (undelete) await reserve(client, undelete, id);
      const statuses = undelete ? (['DELETED'] as const) : fleetStatuses;
      const { total, skipped } = await insertItems(client, id, { ids, first, sequence, done, statuses });
      const waves = await divide(client, id, options.waves ?? [], total - skipped);
      await client.query(
        'UPDATE migration_runs SET total = $2, skipped = $3, skipped_at_start = $3, waves = $4 WHERE id = $1',
        [id, total, skipped, waves],
      );
      const leftOut = ids ? [] : await tenantsInNeed(client);
      await announce(client, id, { total, skipped, checkpoint, leftOut, warnings }, options);
      await settleRun(client, id);
    });
  };
  await inSpan('start migration run', start, () => catalog.use(create));
  return id;
}

/** The maximum number of tenants that a message names. */
export const NAMED = 10;

/**
 * Resolves ids and slugs to ids, in the same order.
 * @param statuses those that the tenants may have; by default, those of tenants that runs migrate
 */
export async function resolveTenants(
  client: pg.Client,
  references: readonly string[],
  statuses: readonly TenantStatus[] = fleetStatuses,
): Promise<string[]> {
  const { rows } = await client.query<{ reference: string; id: string | null; status: string | null }>(
    // Two joins, because one join with OR would compare each reference with every tenant.
    `SELECT r.reference, coalesce(i.id, s.id) AS id, coalesce(i.status, s.status) AS status
     FROM unnest($1::text[], $2::uuid[]) WITH ORDINALITY AS r (reference, id, n)
     LEFT JOIN tenants i ON i.id = r.id LEFT JOIN tenants s ON s.slug = r.reference ORDER BY n`,
    [references, references.map((reference) => (isUuid(reference) ? reference : null))],
  );
  const missing = rows.filter(({ id }) => id === null).map(({ reference }) => reference);
  if (missing.length > 0) {
    throw new AppError('NOT_FOUND', `There is no tenant ${missing.join(', ')}`, { details: { tenants: missing } });
  }
  const unready = rows.filter(({ status }) => !includesStatus(statuses, status ?? ''));
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

/** The name of a run's restore point in UTC, such as pre_migration_20231215_143022. */
function restorePointName(now: Date): string {
  const digits = now.toISOString().replace(/\D/g, '');
  return `pre_migration_${digits.slice(0, 8)}_${digits.slice(8, 14)}`;
}

function checkRequest(files: readonly MigrationFile[], request: RunRequest): void {
  const { to, down, concurrency, maxFailures, separateTransactions, checkpoint } = request;
  checkTarget(files, down?.kind === 'to' ? down.to : to);
  if (separateTransactions && checkpoint !== undefined) {
    throw badInput('checkpoint', 'A run with separateTransactions has no checkpoint: leave it out');
  }
  if (concurrency < 1 || concurrency > 1000) throw badInput('concurrency', 'concurrency must be from 1 to 1000');
  if (maxFailures !== undefined && maxFailures < 0) throw badInput('maxFailures', 'maxFailures must not be negative');
}

/** A canary that isn't part of the run would be silently ignored, so it is refused. */
function checkCanaries(
  references: readonly string[],
  canaries: readonly string[],
  tenants: readonly string[] = canaries,
) {
  const foreign = references.filter((_, index) => !tenants.includes(canaries[index] ?? ''));
  if (foreign.length === 0) return;
  throw badInput('canaries', `Canaries must be tenants of the run, but these are not: ${foreign.join(', ')}`);
}

async function insertRun(
  client: pg.Client,
  id: string,
  { checkpoint, files, options }: { readonly checkpoint: string; readonly files: string; readonly options: RunOptions },
): Promise<void> {
  const { down } = options;
  const kind = down === undefined ? 'UP' : down.kind === 'run' ? 'UNDO' : 'DOWN';
  await client.query(
    'INSERT INTO migration_runs (id, status, kind, options, checkpoint, files, parent_id) VALUES ($1, $2, $3, $4, $5, $6, $7)',
    [
      id,
      runSteps.start.to[0],
      kind,
      JSON.stringify(isTracing() ? { ...options, trace: traceHeaders() } : options),
      checkpoint,
      files,
      down?.kind === 'run' ? down.run : null,
    ],
  );
}

async function insertItems(
  client: pg.Client,
  run: string,
  chosen: {
    readonly ids: readonly string[] | undefined;
    readonly first: readonly string[];
    readonly sequence: readonly string[];
    readonly done: DoneStates;
    readonly statuses: readonly TenantStatus[];
  },
): Promise<{ total: number; skipped: number }> {
  const [pending, skipped] = [itemSteps.start, itemSteps.skipCurrent].map(({ to }) => quoteLiteral(to[0]));
  const { ids, first, sequence, done, statuses } = chosen;
  const values: unknown[] = [run, statuses, ids, done.tenant, done.common];
  const parameter = (value: unknown) => `$${values.push(value)}`;
  const isDone = isDoneInSql({ tenants: 't', commonStates: 's', tenant: '$4', common: '$5' });
  // To sort by what few runs have takes long in a large fleet.
  const canaries = first.length > 0 ? `array_position(${parameter(first)}::uuid[], id),` : '';
  const [ordered, number] =
    sequence.length > 0
      ? [`LEFT JOIN unnest(${parameter(sequence)}::uuid[]) WITH ORDINALITY AS q (id, n) USING (id)`, 'n,']
      : ['', ''];
  const { rowCount: total } = await client.query(
    // The row lock makes a concurrent deletion wait; the deletion then sees that the tenant belongs to a run.
    `WITH chosen AS MATERIALIZED (
       SELECT t.id, t.created_at, ${isDone} AS is_done FROM tenants t LEFT JOIN common_states s USING (server, database)
       WHERE t.status = ANY ($2::text[]) AND ($3::uuid[] IS NULL OR t.id = ANY ($3))),
     locked AS MATERIALIZED (
       SELECT id, created_at, false AS is_done FROM tenants
       WHERE id IN (SELECT id FROM chosen WHERE NOT is_done) AND status = ANY ($2) FOR KEY SHARE)
     INSERT INTO migration_run_items (run_id, position, tenant_id, status, ended_at, wave)
     SELECT $1, row_number() OVER (ORDER BY ${canaries} ${number} created_at, id), id,
       CASE WHEN is_done THEN ${skipped} ELSE ${pending} END, CASE WHEN is_done THEN now() END, 1
     FROM (SELECT * FROM chosen WHERE is_done UNION ALL SELECT * FROM locked) found ${ordered}`,
    values,
  );
  const { rows } = await client.query<{ open: number }>(
    `SELECT count(*)::int AS open FROM migration_run_items WHERE run_id = $1 AND ${fromSql('claim')}`,
    [run],
  );
  return { total: total ?? 0, skipped: (total ?? 0) - (rows[0]?.open ?? 0) };
}

/** Assigns open items to waves and returns the number of waves. */
export async function divide(client: pg.Client, run: string, sizes: readonly string[], count: number): Promise<number> {
  const ends = waveEnds(sizes, count);
  if (ends.length > 1) {
    await client.query(
      `UPDATE migration_run_items i SET wave = 1 + (SELECT count(*) FROM unnest($2::int[]) AS wave_end WHERE wave_end < o.n)
       FROM (SELECT position, row_number() OVER (ORDER BY position) AS n
         FROM migration_run_items WHERE run_id = $1 AND ${fromSql('claim')}) o
       WHERE i.run_id = $1 AND i.position = o.position`,
      [run, ends],
    );
  }
  return ends.length;
}

/** Tenants that need attention. They are part of no run until an operator has checked them. */
async function tenantsInNeed(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ slug: string }>(
    `SELECT slug FROM tenants WHERE status = 'NEEDS_ATTENTION' ORDER BY created_at, id`,
  );
  return rows.map(({ slug }) => slug);
}

async function announce(
  client: pg.Client,
  run: string,
  about: {
    readonly total: number;
    readonly skipped: number;
    readonly checkpoint: string;
    readonly leftOut: readonly string[];
    readonly warnings: readonly string[];
  },
  { dryRun, down, checkpoint }: RunOptions,
): Promise<void> {
  const started = [
    tenantsInWords(about.total),
    ...(down ? ['reverting migrations'] : []),
    // Without a snapshot there is nothing to restore.
    ...(checkpoint === 'SNAPSHOT' && !dryRun ? [`restore point ${about.checkpoint}`] : []),
    ...(dryRun ? ['dry run'] : []),
  ].join(', ');
  const skipped = `${tenantsInWords(about.skipped)} with nothing to ${down ? 'revert' : 'apply'}`;
  const { leftOut } = about;
  const needsAttention = `left out because they need attention: ${shortList(leftOut, NAMED)}. Fix each one, then run \`tenantry tenant resolve SLUG\`.`;
  await appendEvents(client, run, [
    { kind: 'RUN_STARTED', message: started },
    ...[...(leftOut.length > 0 ? [needsAttention] : []), ...about.warnings].map((message): NewRunEvent => {
      return { kind: 'RUN_WARNING', message };
    }),
    ...(about.skipped > 0 ? [{ kind: 'TENANTS_SKIPPED' as const, message: skipped }] : []),
  ]);
}
