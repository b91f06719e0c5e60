import pLimit from 'p-limit';
import type pg from 'pg';
import type { Logger } from 'pino';
import type { Catalog } from '../catalog/catalog.ts';
import type { MigrationScope } from '../catalog/entities/migration-record.entity.ts';
import type { AppliedMigration } from '../catalog/entities/migration-state.entity.ts';
import { Tenant } from '../catalog/entities/tenant.entity.ts';
import type { ObservedState } from '../catalog/migration-states.ts';
import { fleetStatuses } from '../catalog/tenant-status.ts';
import { AppError, messageOf } from '../lib/errors.ts';
import { elapsedSince } from '../lib/time.ts';
import { merge, OTHER_MIGRATION_MS } from '../migrator/apply/batch.ts';
import { acceptHashSql, readHistory } from '../migrator/files/history.ts';
import { type MigrationFile, shortHash } from '../migrator/files/migration-file.ts';
import { type Servers, serverNamed } from '../postgres/server.ts';
import { lockKeyOf, lockKind } from '../postgres/sql/advisory-lock.ts';
import { sqlState, sqlStateOf } from '../postgres/sql/error-codes.ts';
import { quoteLiteral } from '../postgres/sql/quote.ts';
import { rollBack } from '../postgres/sql/transaction.ts';
import { type Acceptance, recordAcceptances, type TenantState } from './accept-hash-store.ts';
import { resolveTenants } from './runs/start.ts';
import { readStates } from './tenant-states.ts';

/** Dependencies and parameters of accepting a changed file. */
export interface AcceptOptions {
  readonly catalog: Catalog;
  readonly servers: Servers;
  /** The code's migrations of the scope that the changed file belongs to. */
  readonly files: readonly MigrationFile[];
  /** Who accepts it, for the record. */
  readonly acceptedBy: string;
  /** The maximum number of tenants processed at once. */
  readonly concurrency: number;
  readonly log: Logger;
}

/** The number of tenants after which the catalog is updated. */
const BATCH = 200;

/**
 * Accepts a changed or renamed tenant migration: stores the file's current hash and name in the tenants' histories, so
 * that runs can continue. For the whole fleet, it connects only to tenants that, according to the catalog, may have a different hash.
 * @param reference a tenant's id or slug; if omitted, the whole fleet
 * @returns the outcome for each tenant; a tenant that could not be reached has an `error` and can be retried
 * @throws {AppError} NOT_FOUND if the code has no such migration or the tenant doesn't exist, CONFLICT if no hash
 *   differs
 */
export async function acceptInTenants(
  options: AcceptOptions,
  migration: string,
  reference?: string,
): Promise<readonly Acceptance[]> {
  const file = fileOf(options.files, migration, 'TENANT');
  const tenants = await concerned(options, file, reference);
  const limit = pLimit(options.concurrency);
  const all: Acceptance[] = [];
  for (let start = 0; start < tenants.length; start += BATCH) {
    const batch = tenants.slice(start, start + BATCH);
    const outcomes = await Promise.all(batch.map((tenant) => limit(() => acceptInTenant(options, file, tenant))));
    const accepted = outcomes.flatMap(({ acceptance }) => acceptance ?? []);
    await recordAcceptances(
      options.catalog,
      accepted.filter(({ error }) => error === null),
      outcomes.flatMap(({ state }) => state ?? []),
    );
    if (reference !== undefined && outcomes[0]?.failure !== undefined) throw outcomes[0].failure;
    all.push(...accepted);
  }
  if (all.length === 0) throw nothingToAccept(file, reference === undefined ? 'No tenant' : `The tenant ${reference}`);
  return all;
}

/**
 * Accepts a changed migration of a system database.
 * @throws {AppError} NOT_FOUND if the code has no such migration, CONFLICT if the hash doesn't differ
 */
export async function acceptInSystemDatabase(
  options: AcceptOptions,
  migration: string,
  placement: { readonly scope: MigrationScope; readonly server: string; readonly database: string },
): Promise<readonly Acceptance[]> {
  const file = fileOf(options.files, migration, placement.scope);
  const { acceptance } = await acceptAt(options, file, { ...placement, schema: 'public' }, null);
  if (!acceptance) throw nothingToAccept(file, `The database ${placement.database}`);
  await recordAcceptances(options.catalog, [acceptance], []);
  return [acceptance];
}

interface Outcome {
  /** Undefined if the database already had this hash or doesn't have the migration. */
  readonly acceptance?: Acceptance | undefined;
  readonly state?: TenantState;
  readonly failure?: unknown;
}

async function concerned(
  { catalog, files }: AcceptOptions,
  file: MigrationFile,
  reference: string | undefined,
): Promise<Tenant[]> {
  const em = catalog.fork();
  if (reference !== undefined) {
    const ids = await catalog.use((client) => resolveTenants(client, [reference], [...fleetStatuses, 'DELETED']));
    return em.find(Tenant, { id: { $in: ids } });
  }
  const states = await catalog.use(readStates);
  // A tenant that lacks a backfill may have begun it, which only its own history knows.
  const mayHaveBegun = (applied: readonly AppliedMigration[]) =>
    file.backfill !== undefined && !applied.some(({ name }) => name === file.name);
  const differing = states.filter(
    ({ applied }) => mayHaveBegun(applied) || applied.some((one) => isAcceptable(one, file, files)),
  );
  return em.find(
    Tenant,
    {
      // One in the bin can then be brought back.
      status: { $in: [...fleetStatuses, 'DELETED'] },
      $or: [{ migrationState: { $in: differing.map(({ id }) => id) } }, { migrationState: null }],
    },
    { orderBy: { createdAt: 'asc', id: 'asc' } },
  );
}

/** Whether an applied migration is an older version of a file, or the same file under a name that the code doesn't have. */
export function isAcceptable(
  { name, hash }: AppliedMigration,
  file: MigrationFile,
  files: readonly MigrationFile[],
): boolean {
  if (name === file.name) return hash !== file.hash;
  return hash === file.hash && !files.some((other) => other.name === name);
}

async function acceptInTenant(options: AcceptOptions, file: MigrationFile, tenant: Tenant): Promise<Outcome> {
  const start = performance.now();
  try {
    const { acceptance, found } = await acceptAt(options, file, tenant, tenant);
    return { acceptance, state: { tenantId: tenant.id, ...found } };
  } catch (error) {
    options.log.warn({ err: error, tenant: tenant.id, migration: file.name }, 'could not accept a changed migration');
    const message = error instanceof AppError ? `${error.code}: ${error.message}` : messageOf(error);
    const { acceptedBy } = options;
    const when = { acceptedAt: new Date(), durationMs: elapsedSince(start) };
    return { acceptance: { tenant, file, acceptedBy, previousHash: null, error: message, ...when }, failure: error };
  }
}

/** Accepts a changed or renamed migration in one database, as its owner. */
export async function acceptAt(
  { servers, files, acceptedBy, log }: AcceptOptions,
  file: MigrationFile,
  placement: { readonly server: string; readonly database: string; readonly schema: string },
  tenant: Tenant | null,
): Promise<{ acceptance: Acceptance | undefined; found: ObservedState }> {
  const start = performance.now();
  const server = serverNamed(servers, placement.server);
  const { found, change } = await server.owner(placement.database, (client) =>
    changeHash(client, placement.schema, file, files),
  );
  if (!change) return { found, acceptance: undefined };
  const { previousHash, acceptedAt } = change;
  // Logged before the catalog's record is written, because that write may fail.
  log.info(
    {
      acceptedBy,
      database: placement.database,
      schema: placement.schema,
      migration: file.name,
      previousHash,
      hash: file.hash,
    },
    'accepted a changed migration',
  );
  const durationMs = elapsedSince(start);
  return { found, acceptance: { tenant, file, previousHash, acceptedBy, acceptedAt, durationMs, error: null } };
}

async function changeHash(
  client: pg.Client,
  schema: string,
  { name, hash, scope }: MigrationFile,
  files: readonly MigrationFile[],
) {
  try {
    await client.query(`BEGIN;
      SET LOCAL lock_timeout = ${OTHER_MIGRATION_MS};
      SELECT pg_advisory_xact_lock(${lockKind.migrate}, ${lockKeyOf(quoteLiteral(schema))})`);
    const { rows } = await client.query<{ previousHash: string }>(acceptHashSql(schema), [
      name,
      hash,
      files.map((file) => file.name),
    ]);
    const { before, observedAt } = await readHistory(client, schema);
    await client.query('COMMIT');
    const [changed] = rows;
    const change = changed && { ...changed, acceptedAt: new Date(observedAt) };
    return { found: { applied: merge(before, []), observedAt }, change };
  } catch (error) {
    await rollBack(client);
    if (sqlStateOf(error) === sqlState.lockNotAvailable) {
      throw new AppError('TENANT_BUSY', 'A migration of this database is running. Try again when it has ended.', {
        cause: error,
      });
    }
    if (sqlStateOf(error) !== sqlState.undefinedTable) throw error;
    throw new AppError(
      'CONFLICT',
      `There is no migration history here, so this is not a database of the scope ${scope}`,
      {
        cause: error,
      },
    );
  }
}

/** @throws {AppError} NOT_FOUND */
export function fileOf(files: readonly MigrationFile[], name: string, scope: MigrationScope): MigrationFile {
  const file = files.find((candidate) => candidate.name === name);
  if (file) return file;
  const newest = files.at(-1)?.name ?? 'none';
  throw new AppError(
    'NOT_FOUND',
    `The code has no ${scope} migration ${name}; migrations(scope: ${scope}) lists them, the newest is ${newest}`,
  );
}

/** The error for a migration whose hash differs nowhere. */
export function nothingToAccept({ name, hash }: MigrationFile, who: string): AppError {
  return new AppError(
    'CONFLICT',
    `${who} has ${name} with another hash than the file’s, ${shortHash(hash)}: nothing to accept`,
  );
}
