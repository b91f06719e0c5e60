import type pg from 'pg';
import type { Isolation } from '../../catalog/entities/tenant.entity.ts';
import { AppError, messageOf } from '../../lib/errors.ts';
import { migrateDatabase } from '../../migrator/apply/apply.ts';
import { applySteps } from '../../migrator/apply/apply-steps.ts';
import {
  type MigrateOptions,
  type MigrateOutcome,
  MigrationFailedError,
  merge,
  planBatch,
} from '../../migrator/apply/batch.ts';
import { stepSettingsSql } from '../../migrator/apply/session.ts';
import { commonSchema } from '../../migrator/files/common-schema.ts';
import { createHistorySql, type History, kindOf, readHistory } from '../../migrator/files/history.ts';
import type { MigrationFile } from '../../migrator/files/migration-file.ts';
import { schemaSetting } from '../../postgres/citus/cluster.ts';
import { lockKind, transactionLockSql } from '../../postgres/sql/advisory-lock.ts';
import { isTransient, sqlState, sqlStateOf } from '../../postgres/sql/error-codes.ts';
import { quoteIdentifier } from '../../postgres/sql/quote.ts';
import { inTransaction } from '../../postgres/sql/transaction.ts';
import type { InstallationRoles } from '../../routing/placement.ts';
import { findMisplacedExtensions, type MisplacedExtension, moveExtensions } from './schema-dependents.ts';

/** The migrations of `common`, and what is needed to apply them to a database. */
export interface CommonLine {
  readonly files: readonly MigrationFile[];
  /** The group role that may use and read what is in the schema. */
  readonly grantee: string;
  readonly lockTimeoutMs: number;
  /**
   * Whether a database may have more than these files: while a new version is being deployed, older processes still create
   * tenants in databases that newer ones have brought forward.
   */
  readonly allowsNewer?: boolean;
  readonly run?: string;
  readonly checkpoint?: string;
}

/** The group role whose members read `common`: that of the tenants with databases of their own, or with schemas. */
export function readersOfCommon(roles: InstallationRoles, isolation: Isolation): string {
  return isolation === 'DATABASE' ? roles.databaseTenants : roles.schemaTenants;
}

/** The migrations of `common` could not be applied, so the tenants of the database are not migrated either. */
export class CommonFailedError extends Error {
  override readonly name = 'CommonFailedError';
  /** Whether the next tenant of the database would meet the same failure. */
  readonly isFinal: boolean;

  constructor(database: string, cause: unknown) {
    super(
      `The migrations of common could not be applied to the database ${database}, so none of its tenants is migrated: ${messageOf(cause)}${adviceFor(cause)}`,
      { cause },
    );
    this.isFinal = (cause instanceof MigrationFailedError || cause instanceof AppError) && !isTransient(cause);
  }
}

/**
 * SQL that creates the schema `common` with its history. Tenants' roles may use and read what is in it. They may not
 * create or change anything there. Where Citus is, the schema stays on the coordinator: it is no tenant's.
 * @see https://www.postgresql.org/docs/current/ddl-priv.html
 */
export function prepareCommonSql(grantee: string): string {
  const role = quoteIdentifier(grantee);
  return `
    SET LOCAL ${schemaSetting} = off;
    CREATE SCHEMA IF NOT EXISTS ${commonSchema};
    REVOKE ALL ON SCHEMA ${commonSchema} FROM PUBLIC;
    GRANT USAGE ON SCHEMA ${commonSchema} TO ${role};
    ALTER DEFAULT PRIVILEGES IN SCHEMA ${commonSchema} GRANT SELECT ON TABLES TO ${role};
    ALTER DEFAULT PRIVILEGES IN SCHEMA ${commonSchema} GRANT EXECUTE ON ROUTINES TO ${role};
    ALTER DEFAULT PRIVILEGES IN SCHEMA ${commonSchema} GRANT USAGE ON TYPES TO ${role};
    GRANT SELECT ON ALL TABLES IN SCHEMA ${commonSchema} TO ${role};
    GRANT EXECUTE ON ALL ROUTINES IN SCHEMA ${commonSchema} TO ${role};
    ${createHistorySql(commonSchema, 'COMMON')}`;
}

/**
 * SQL that creates the schema `common`, unless it is there, and keeps others from creating it at the same time.
 * @param client the owner's connection, in the transaction in which the SQL is to be sent
 */
export async function createCommonSql(client: pg.Client, readers: string): Promise<string> {
  await client.query(transactionLockSql(lockKind.migrate, commonSchema));
  return (await kindOf(client, commonSchema)) === undefined ? prepareCommonSql(readers) : '';
}

/**
 * Applies the pending migrations of `common` to a database, under the lock that excludes other processes. It costs one
 * round trip if nothing is pending, and none if there are no such migrations.
 * @param client the owner's connection, outside a transaction
 * @returns undefined if the installation has no migrations of `common`
 * @throws {CommonFailedError}
 */
export async function applyCommon(
  client: pg.Client,
  database: string,
  line: CommonLine,
): Promise<MigrateOutcome | undefined> {
  if (line.files.length === 0) return undefined;
  try {
    const history = await readCommon(client);
    if (history && isCurrent(line, history)) {
      const { before, observedAt } = history;
      return { applied: merge(before, []), observedAt, records: [], warnings: [] };
    }
    await moveMisplaced(client, line);
    return await migrate(client, line, history === undefined);
  } catch (error) {
    throw new CommonFailedError(database, error);
  }
}

/**
 * Tries what is pending of `common` in a transaction that the caller rolls back.
 * @returns why it cannot be tried; undefined if it was, or nothing is pending
 * @throws {CommonFailedError}
 */
export async function rehearseCommon(
  client: pg.Client,
  database: string,
  line: CommonLine,
): Promise<string | undefined> {
  if (line.files.length === 0) return undefined;
  const options = commonOptions(line, false);
  try {
    await client.query(await createCommonSql(client, line.grantee));
    const { before, steps, divided } = planBatch(await readHistory(client, commonSchema), options);
    if (divided) return `${divided}, so the migrations of common cannot be tried and rolled back`;
    const adder = steps.find(({ parsed }) => parsed.up?.some(({ addsEnumValue }) => addsEnumValue !== undefined));
    if (adder)
      return `${adder.name} adds a value to an enum of common, which has to be committed before tenants use it, so the batch cannot be tried and rolled back`;
    if (steps.length > 0) {
      await moveExtensions(client, await findMisplaced(client, line));
      await client.query(stepSettingsSql(options));
    }
    // The steps of the tenant follow in this transaction.
    await applySteps(client, steps, options, { next: 'STEP', applied: before.length });
    return undefined;
  } catch (error) {
    throw new CommonFailedError(database, error);
  }
}

/** The options for applying `common` to a database that may not have the schema yet. */
function commonOptions(line: CommonLine, isNew: boolean): MigrateOptions {
  const { files, grantee, lockTimeoutMs, run, checkpoint } = line;
  return {
    scope: 'COMMON',
    schema: commonSchema,
    files,
    lockTimeoutMs,
    ...(run !== undefined && { run }),
    ...(checkpoint !== undefined && { checkpoint }),
    ...(isNew && { setupSql: prepareCommonSql(grantee) }),
  };
}

/**
 * An older installation may have an extension in a tenant's schema, or in `public`, the schema of a tenant with a database
 * of its own. `CREATE EXTENSION IF NOT EXISTS` would leave it there, where `common` and other tenants don't find it.
 */
async function moveMisplaced(client: pg.Client, line: CommonLine): Promise<void> {
  const misplaced = await findMisplaced(client, line);
  if (!misplaced.some(({ canMove }) => canMove)) return;
  await inTransaction(client, async () => {
    await client.query(await createCommonSql(client, line.grantee));
    await moveExtensions(client, misplaced);
  });
}

async function findMisplaced(client: pg.Client, { files }: CommonLine): Promise<readonly MisplacedExtension[]> {
  const named = namesIn(files);
  return [
    ...(await findMisplacedExtensions(client)),
    // Others there may be the operator's own.
    ...(await findMisplacedExtensions(client, 'public')).filter(({ name }) => named.has(name)),
  ];
}

/** All that may be a name of an extension in the statements of migrations. */
export function namesIn(files: readonly MigrationFile[]): ReadonlySet<string> {
  const words = files.flatMap(({ parsed }) => (parsed.up ?? []).flatMap((statement) => [...statement.words]));
  return new Set(words.filter((word) => /^[\w-]{1,63}$/.test(word)));
}

async function migrate(client: pg.Client, line: CommonLine, isNew: boolean): Promise<MigrateOutcome> {
  try {
    return await migrateDatabase(client, commonOptions(line, isNew));
  } catch (error) {
    // Another process has created the history since this one looked.
    if (!isNew || error instanceof MigrationFailedError || sqlStateOf(error) !== sqlState.duplicateTable) throw error;
    return migrateDatabase(client, commonOptions(line, false));
  }
}

/** Reads the history of `common`; undefined if the database has none. */
async function readCommon(client: pg.Client): Promise<History | undefined> {
  try {
    return await readHistory(client, commonSchema);
  } catch (error) {
    if (sqlStateOf(error) === sqlState.undefinedTable) return undefined;
    throw error;
  }
}

function isCurrent({ files, allowsNewer = false }: CommonLine, { before }: History): boolean {
  const hashes = new Map(before.map(({ name, hash }) => [name, hash]));
  const hasAll = files.every(({ name, hash }) => hashes.get(name) === hash);
  return hasAll && (allowsNewer || before.length === files.length);
}

function adviceFor(error: unknown): string {
  if (sqlStateOf(error) !== sqlState.insufficientPrivilege || !/extension/i.test(messageOf(error))) return '';
  return '. PostgreSQL lets only a superuser create this extension: let ADMIN_DATABASE_URL name a superuser, or ask the server’s operator to mark the extension as trusted in its control file.';
}
