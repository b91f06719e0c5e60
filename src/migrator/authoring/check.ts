import type pg from 'pg';
import type { MigrationScope } from '../../catalog/entities/migration-record.entity.ts';
import { messageOf } from '../../lib/errors.ts';
import type { PostgresServer } from '../../postgres/server.ts';
import { migrateDatabase } from '../apply/apply.ts';
import { MigrationFailedError } from '../apply/batch.ts';
import type { EntityTables } from '../diff/entity-tables.ts';
import type { TableSnapshot } from '../diff/snapshot.ts';
import type { MigrationFile } from '../files/migration-file.ts';
import type { MigrationFolder } from '../files/migration-folder.ts';
import { lintBatch, type MigrationWarning } from '../lint/lint.ts';
import { compareRecorded, type Mismatch, type RecordedMigrations } from './compare-history.ts';
import { readSnapshot } from './schema-snapshot.ts';
import { emptySchemaOf, type InScratchDatabase, withScratchDatabases } from './scratch-database.ts';
import { applyInOneGo, compareWays, type WayDifference, WayFailedError } from './ways.ts';

/** One kind of database to check. */
export interface CheckedLine {
  readonly folder: MigrationFolder;
  /** The migrations of `common`, which a tenant's database has before the tenant's own. */
  readonly common?: MigrationFolder;
  /** The tables that the entities describe and the migrations should create. */
  readonly tables: EntityTables;
  /** The known histories, such as a fleet's states or a git branch. */
  readonly recorded?: readonly RecordedMigrations[];
}

/** Dependencies of a check. */
export interface CheckOptions {
  readonly server: PostgresServer;
  /** The name of the auth database, from which the scratch database's name is derived. */
  readonly authDatabase: string;
  readonly lines: readonly CheckedLine[];
  readonly lockTimeoutMs: number;
}

/**
 * Reports what the migrations that no history has can do to tables with rows. They are applied together, so the tables
 * that they create have none.
 * @throws {Error} if the files cannot be read
 */
export async function lintNewMigrations(lines: readonly CheckedLine[]): Promise<readonly MigrationWarning[]> {
  const found = lines.map(async ({ folder, recorded = [] }) => {
    const applied = new Set(recorded.flatMap((history) => history.applied.map(({ name }) => name)));
    return lintBatch((await folder.read()).filter(({ name }) => !applied.has(name)));
  });
  return (await Promise.all(found)).flat();
}

/** Something to fix before the migrations are deployed. */
export interface Finding {
  /**
   * `BROKEN`: the files cannot be read, or fail on an empty database. `DIFFERS`: what they give depends on how they are
   * applied. `ENTITIES_DIFFER`: the migrations don't create
   * what the entities describe; `sql` would. `IRREVERSIBLE`: it has no `down()` and is no backfill. `EMPTY`: it has no statements.
   * `SNAPSHOT_WRONG`: the file from which the next migration is derived cannot be read, or doesn't match these
   * migrations. The other kinds are files that don't match the applied migrations.
   */
  readonly kind:
    | 'BROKEN'
    | 'DIFFERS'
    | 'ENTITIES_DIFFER'
    | 'IRREVERSIBLE'
    | 'EMPTY'
    | 'SNAPSHOT_WRONG'
    | Mismatch['kind'];
  readonly scope: MigrationScope;
  /** Undefined for a problem of the whole scope. */
  readonly migration?: string;
  readonly message: string;
  readonly sql?: readonly string[];
}

/**
 * Checks migrations before they are deployed: that they apply to an empty database, give the same whichever way they are
 * applied, create what the entities describe, match the applied migrations and can be reverted. It needs a PostgreSQL
 * server but no fleet, and leaves nothing behind. It never throws: whatever a migration does is a finding.
 * @returns the problems by scope; empty if there are none
 */
export async function checkMigrations({ lines, ...options }: CheckOptions): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const line of lines) {
    findings.push(...(await checkLine(options, line).catch((error: unknown) => [broken(line.folder.scope, error)])));
  }
  return findings;
}

async function checkLine(options: Omit<CheckOptions, 'lines'>, line: CheckedLine): Promise<Finding[]> {
  const { scope } = line.folder;
  const files = await line.folder.read();
  const irreversible = files.filter(({ reversible, backfill }) => !reversible && !backfill);
  const empty = files.filter(({ statements }) => statements?.every((statement) => statement.trim() === ''));
  return [
    ...compareRecorded(files, line.recorded ?? []).map((mismatch) => ({ scope, ...mismatch })),
    ...irreversible.map(({ name }): Finding => {
      return {
        kind: 'IRREVERSIBLE',
        scope,
        migration: name,
        message: `${name} has no down(), and cannot be reverted`,
      };
    }),
    ...empty.map(({ name }): Finding => {
      return { kind: 'EMPTY', scope, migration: name, message: `${name} does nothing: its up() has no statement` };
    }),
    ...(await tryOut(options, line, files).catch((error: unknown) =>
      // That is a finding of the migrations of common.
      error instanceof CommonBrokenError ? [] : [broken(scope, error)],
    )),
  ];
}

/** Applies the migrations to scratch databases, in one go and in all other ways. */
function tryOut(
  options: Omit<CheckOptions, 'lines'>,
  line: CheckedLine,
  files: readonly MigrationFile[],
): Promise<Finding[]> {
  const { scope } = line.folder;
  return withScratchDatabases(options, async (inEmptyDatabase) => {
    const inScratchDatabase = withCommon(inEmptyDatabase, line, options.lockTimeoutMs);
    const ways = { scope, files, lockTimeoutMs: options.lockTimeoutMs, inScratchDatabase };
    const { facts, findings } = await inScratchDatabase(async (client) => {
      const made = await applyInOneGo(client, ways);
      return { facts: made, findings: await differences(client, line, files) };
    });
    try {
      return [...findings, ...describeWays(scope, await compareWays(ways, facts))];
    } catch (error) {
      return [...findings, broken(scope, error)];
    }
  });
}

/** The migrations of `common` are broken, so those of tenants cannot be tried. */
class CommonBrokenError extends Error {
  override readonly name = 'CommonBrokenError';
}

/** Brings `common` forward in each scratch database first, as in every database that holds tenants. */
function withCommon(
  inScratchDatabase: InScratchDatabase,
  { common, folder }: CheckedLine,
  lockTimeoutMs: number,
): InScratchDatabase {
  if (!common || folder.scope !== 'TENANT') return inScratchDatabase;
  return (use) =>
    inScratchDatabase(async (client) => {
      try {
        const files = await common.read();
        const options = { scope: 'COMMON', files, lockTimeoutMs, ...emptySchemaOf('COMMON') } as const;
        if (files.length > 0) await migrateDatabase(client, options);
      } catch (cause) {
        throw new CommonBrokenError(messageOf(cause), { cause });
      }
      return use(client);
    });
}

async function differences(
  client: pg.Client,
  { folder, tables }: CheckedLine,
  files: readonly MigrationFile[],
): Promise<Finding[]> {
  const { scope } = folder;
  const sql = await tables.differences(client, emptySchemaOf(scope).schema);
  const message = `The ${scope} migrations do not create what the entities describe. Write a migration with these statements, or fix the entities.`;
  return [
    ...(sql.length > 0 ? [{ kind: 'ENTITIES_DIFFER', scope, message, sql } as const] : []),
    ...(await snapshotProblems(folder, files, (stored) => tables.has(client, stored))),
  ];
}

/** The maximum number of differences that are reported. */
const REPORTED = 20;

function describeWays(scope: MigrationScope, found: readonly WayDifference[]): Finding[] {
  const more = found.length > REPORTED ? ` (${found.length - REPORTED} more differences are not listed)` : '';
  return found.slice(0, REPORTED).map(({ migration, message }, index) => ({
    kind: 'DIFFERS',
    scope,
    ...(migration !== undefined && { migration }),
    message: `${migration ?? `The ${scope} migrations`}: ${message}${index === REPORTED - 1 ? more : ''}. A tenant's tables must not depend on how its migrations are applied.`,
  }));
}

/** A snapshot that is missing or outdated is no problem: `migrate new` recreates it. */
async function snapshotProblems(
  folder: MigrationFolder,
  files: readonly MigrationFile[],
  isMade: (stored: TableSnapshot) => Promise<boolean>,
): Promise<Finding[]> {
  const stored = await readSnapshot(folder, files);
  if (stored.kind === 'none' || (stored.kind === 'read' && (stored.stale || (await isMade(stored.tables))))) return [];
  const reason = stored.kind === 'broken' ? stored.reason : 'does not match what the migrations create';
  const { scope } = folder;
  const message = `The snapshot beside the ${scope} migrations ${reason}. Recreate it: tenantry migrate snapshot --scope ${scope.toLowerCase()}`;
  return [{ kind: 'SNAPSHOT_WRONG', scope, message }];
}

/** A finding for whatever went wrong. The message names the migration and the statement, if these are known. */
function broken(scope: MigrationScope, error: unknown): Finding {
  const cause = error instanceof WayFailedError ? error.cause : error;
  const migration = cause instanceof MigrationFailedError ? cause.migration.name : undefined;
  const way = error instanceof WayFailedError ? ` (${error.message})` : '';
  return { kind: 'BROKEN', scope, ...(migration !== undefined && { migration }), message: `${messageOf(cause)}${way}` };
}
