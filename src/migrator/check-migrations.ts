import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import type { MigrationScope } from '../catalog/migration-record.entity.ts';
import { AppError } from '../errors.ts';
import { lockKind, withAdvisoryLock } from '../postgres/advisory-lock.ts';
import { createDatabase, dropDatabase } from '../postgres/databases.ts';
import type { EntityTables } from '../postgres/entity-tables.ts';
import { isTransient } from '../postgres/error-codes.ts';
import { closeDatabaseSql } from '../postgres/roles.ts';
import type { PostgresServer } from '../postgres/server.ts';
import { compareRecorded, type Misfit, type RecordedMigrations } from './compare-recorded.ts';
import { createHistorySql } from './history.ts';
import { migrateDatabase } from './migrate-database.ts';
import { MigrationFailedError } from './migration-batch.ts';
import { type MigrationFile, MigrationFileError, type MigrationFolder } from './migration-files.ts';

/** One kind of database, to be checked. */
export interface CheckedLine {
  readonly folder: MigrationFolder;
  /** What its entities say that the migrations should make. */
  readonly tables: EntityTables;
  /** What has been applied already, where that is known: a fleet's states, or a branch of git. */
  readonly recorded?: readonly RecordedMigrations[];
}

/** What a check needs. */
export interface CheckOptions {
  readonly server: PostgresServer;
  /** The name of the auth database, from which that of the scratch database is made. */
  readonly authDatabase: string;
  readonly lines: readonly CheckedLine[];
  readonly lockTimeoutMs: number;
}

/** Something that should be mended before the migrations are deployed. */
export interface Finding {
  /**
   * `BROKEN`: the files cannot be read, or fail on an empty database. `ENTITIES_DIFFER`: the migrations do not make what
   * the entities say; `sql` would. `IRREVERSIBLE`: it has no `down()`. The others are told of files that do not fit what
   * has been applied.
   */
  readonly kind: 'BROKEN' | 'ENTITIES_DIFFER' | 'IRREVERSIBLE' | Misfit['kind'];
  readonly scope: MigrationScope;
  /** Undefined if it is about the line as a whole. */
  readonly migration?: string;
  readonly message: string;
  readonly sql?: readonly string[];
}

/**
 * Checks migrations before they are deployed: that they apply to an empty database and make what the entities say, fit what
 * has been applied, and can be taken back. It needs a PostgreSQL server, but no fleet, and leaves nothing behind.
 * @returns what was found, line by line; empty if all is well
 */
export async function checkMigrations({ server, authDatabase, ...options }: CheckOptions): Promise<readonly Finding[]> {
  const prefix = `${authDatabase}_check_`;
  return server.admin((admin) =>
    withAdvisoryLock(admin, lockKind.check, 0, async () => {
      await dropLeftovers(admin, prefix);
      const scratch: Scratch = {
        admin,
        server,
        name: `${prefix}${randomBytes(6).toString('hex')}`,
        lockTimeoutMs: options.lockTimeoutMs,
      };
      const findings: Finding[] = [];
      for (const line of options.lines) {
        try {
          findings.push(...(await checkLine(scratch, line)));
        } finally {
          await dropDatabase(admin, scratch.name);
        }
      }
      return findings;
    }),
  );
}

/** The database in which one line after the other is applied. */
interface Scratch {
  readonly admin: pg.Client;
  readonly server: PostgresServer;
  readonly name: string;
  readonly lockTimeoutMs: number;
}

/** What checks that were killed have left: the lock tells that none of them is under way. */
async function dropLeftovers(admin: pg.Client, prefix: string): Promise<void> {
  const { rows } = await admin.query<{ datname: string }>(
    `SELECT datname FROM pg_database WHERE left(datname, length($1)) = $1 AND substr(datname, length($1) + 1) ~ '^[0-9a-f]{12}$'`,
    [prefix],
  );
  for (const { datname } of rows) await dropDatabase(admin, datname);
}

async function checkLine(scratch: Scratch, line: CheckedLine): Promise<Finding[]> {
  const { scope } = line.folder;
  try {
    const files = await line.folder.read();
    const irreversible = files.filter(({ reversible }) => !reversible);
    return [
      ...compareRecorded(files, line.recorded ?? []).map((misfit) => ({ scope, ...misfit })),
      ...irreversible.map(({ name }): Finding => {
        return {
          kind: 'IRREVERSIBLE',
          scope,
          migration: name,
          message: `${name} has no down(), and cannot be reverted`,
        };
      }),
      ...(await differences(scratch, line, files)),
    ];
  } catch (error) {
    if (!(error instanceof MigrationFileError)) throw error;
    return [{ kind: 'BROKEN', scope, message: error.message }];
  }
}

async function differences(
  { admin, server, name, lockTimeoutMs }: Scratch,
  { folder: { scope }, tables }: CheckedLine,
  files: readonly MigrationFile[],
): Promise<Finding[]> {
  await createDatabase(admin, name);
  await admin.query(closeDatabaseSql(name, []));
  return server.owner(name, async (client) => {
    const broken = await apply(client, { scope, files, lockTimeoutMs });
    if (broken) return [broken];
    const sql = await tables.differences(client, 'public');
    const message = `The ${scope} migrations do not make what the entities say. Write a migration with these statements, or mend the entities.`;
    return sql.length > 0 ? [{ kind: 'ENTITIES_DIFFER', scope, message, sql }] : [];
  });
}

async function apply(
  client: pg.Client,
  line: { readonly scope: MigrationScope; readonly files: readonly MigrationFile[]; readonly lockTimeoutMs: number },
): Promise<Finding | undefined> {
  const { scope } = line;
  try {
    await migrateDatabase(client, { ...line, schema: 'public', prelude: createHistorySql('public', scope) });
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
