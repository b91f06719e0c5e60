import type pg from 'pg';
import type { MigrationScope } from '../../catalog/entities/migration-record.entity.ts';
import { AppError } from '../../lib/errors.ts';
import type { PostgresServer } from '../../postgres/server.ts';
import { isTransient } from '../../postgres/sql/error-codes.ts';
import { migrateDatabase } from '../apply/apply.ts';
import { MigrationFailedError } from '../apply/batch.ts';
import type { EntityTables } from '../diff/entity-tables.ts';
import type { TableSnapshot } from '../diff/snapshot.ts';
import { type MigrationFile, MigrationFileError, type MigrationFolder } from '../files/migration-files.ts';
import { compareRecorded, type Mismatch, type RecordedMigrations } from './compare-history.ts';
import { readSnapshot } from './schema-snapshot.ts';
import { emptySchemaOf, withScratchDatabase } from './scratch-database.ts';

/** One kind of database to check. */
export interface CheckedLine {
  readonly folder: MigrationFolder;
  /** The schema that the entities describe and the migrations should create. */
  /** The migrations of `common`, which a tenant's database has before the tenant's own. */
  readonly common?: MigrationFolder;
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

/** Something to fix before the migrations are deployed. */
export interface Finding {
  /**
   * `BROKEN`: the files cannot be read, or fail on an empty database. `ENTITIES_DIFFER`: the migrations don't create
   * what the entities describe; `sql` would. `IRREVERSIBLE`: it has no `down()`. `EMPTY`: it has no statements.
   * `SNAPSHOT_WRONG`: the file from which the next migration is derived cannot be read, or doesn't match these
   * migrations. The other kinds are files that don't match the applied migrations.
   */
  readonly kind: 'BROKEN' | 'ENTITIES_DIFFER' | 'IRREVERSIBLE' | 'EMPTY' | 'SNAPSHOT_WRONG' | Mismatch['kind'];
  readonly scope: MigrationScope;
  /** Undefined for a problem of the whole scope. */
  readonly migration?: string;
  readonly message: string;
  readonly sql?: readonly string[];
}

/**
 * Checks migrations before they are deployed: that they apply to an empty database, create what the entities describe,
 * match the applied migrations and can be reverted. It needs a PostgreSQL server but no fleet, and leaves nothing
 * behind.
 * @returns the problems by scope; empty if there are none
 */
export async function checkMigrations({ lines, ...options }: CheckOptions): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const line of lines) findings.push(...(await checkLine(options, line)));
  return findings;
}

async function checkLine(options: Omit<CheckOptions, 'lines'>, line: CheckedLine): Promise<Finding[]> {
  const { scope } = line.folder;
  try {
    const files = await line.folder.read();
    const irreversible = files.filter(({ reversible }) => !reversible);
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
      ...(await differences(options, line, files)),
    ];
  } catch (error) {
    if (!(error instanceof MigrationFileError)) throw error;
    return [{ kind: 'BROKEN', scope, message: error.message }];
  }
}

function differences(
  options: Omit<CheckOptions, 'lines'>,
  { folder, common, tables }: CheckedLine,
  files: readonly MigrationFile[],
): Promise<Finding[]> {
  const { scope } = folder;
  const { lockTimeoutMs } = options;
  return withScratchDatabase(options, async (client) => {
    if (common && scope === 'TENANT') {
      const first = await apply(client, { scope: 'COMMON', files: await common.read(), lockTimeoutMs });
      // It is a finding of the migrations of common.
      if (first) return [];
    }
    const broken = await apply(client, { scope, files, lockTimeoutMs });
    if (broken) return [broken];
    const sql = await tables.differences(client, emptySchemaOf(scope).schema);
    const message = `The ${scope} migrations do not create what the entities describe. Write a migration with these statements, or fix the entities.`;
    return [
      ...(sql.length > 0 ? [{ kind: 'ENTITIES_DIFFER', scope, message, sql } as const] : []),
      ...(await snapshotProblems(folder, files, (stored) => tables.has(client, stored))),
    ];
  });
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

async function apply(
  client: pg.Client,
  line: { readonly scope: MigrationScope; readonly files: readonly MigrationFile[]; readonly lockTimeoutMs: number },
): Promise<Finding | undefined> {
  const { scope } = line;
  try {
    await migrateDatabase(client, { ...line, ...emptySchemaOf(scope) });
    return undefined;
  } catch (error) {
    if (isTransient(error)) throw error;
    if (error instanceof MigrationFailedError) {
      return { kind: 'BROKEN', scope, migration: error.migration.name, message: error.message };
    }
    if (error instanceof AppError) return { kind: 'BROKEN', scope, message: error.message };
    throw error;
  }
}
