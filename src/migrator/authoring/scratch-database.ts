import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import type { MigrationScope } from '../../catalog/entities/migration-record.entity.ts';
import { createDatabase, dropDatabase } from '../../postgres/admin/databases.ts';
import { closeDatabaseSql } from '../../postgres/admin/roles.ts';
import type { PostgresServer } from '../../postgres/server.ts';
import { lockKind, withAdvisoryLock } from '../../postgres/sql/advisory-lock.ts';
import { commonSchema } from '../files/common-schema.ts';
import { createHistorySql } from '../files/history.ts';

/** Where to create scratch databases. */
export interface ScratchOptions {
  readonly server: PostgresServer;
  /** The name of the auth database, from which the scratch databases' names are derived. */
  readonly authDatabase: string;
  /** How long to wait for another process that uses scratch databases, in milliseconds; if omitted, as long as it takes. */
  readonly waitMs?: number;
}

/** Runs a function with the owner's connection to an empty database of its own, and drops the database afterwards. */
export type InScratchDatabase = <T>(use: (client: pg.Client) => Promise<T>) => Promise<T>;

/**
 * Runs a function that needs scratch databases. A server has one such function at a time.
 * @throws {pg.DatabaseError} 55P03 if another one did not end in time
 */
export function withScratchDatabases<T>(
  { server, authDatabase, waitMs = 0 }: ScratchOptions,
  work: (inScratchDatabase: InScratchDatabase) => Promise<T>,
): Promise<T> {
  const prefix = `${authDatabase}_check_`;
  return server.admin((admin) => {
    const holdingLock = async () => {
      await dropLeftovers(admin, prefix);
      return work(async (use) => {
        const name = `${prefix}${randomBytes(6).toString('hex')}`;
        try {
          await createDatabase(admin, name);
          await admin.query(closeDatabaseSql(name, []));
          return await server.owner(name, use);
        } finally {
          await dropDatabase(admin, name);
        }
      });
    };
    return withAdvisoryLock(admin, lockKind.check, 0, holdingLock, { waitMs });
  });
}

/** Runs a function in one scratch database; see {@link withScratchDatabases}. */
export function withScratchDatabase<T>(options: ScratchOptions, use: (client: pg.Client) => Promise<T>): Promise<T> {
  return withScratchDatabases(options, (inScratchDatabase) => inScratchDatabase(use));
}

/** A schema that has no migrations yet. */
export interface EmptySchema {
  readonly schema: string;
  /** SQL that prepares it. */
  readonly setupSql: string;
}

/** The schema of a scratch database to which migrations of a scope are applied. */
export function emptySchemaOf(scope: MigrationScope): EmptySchema {
  const isCommon = scope === 'COMMON';
  const schema = isCommon ? commonSchema : 'public';
  return { schema, setupSql: `${isCommon ? `CREATE SCHEMA ${schema};` : ''} ${createHistorySql(schema, scope)}` };
}

/** Finds the databases that killed processes have left. The lock guarantees that none of them is in use. */
async function dropLeftovers(admin: pg.Client, prefix: string): Promise<void> {
  const { rows } = await admin.query<{ datname: string }>(
    `SELECT datname FROM pg_database WHERE left(datname, length($1)) = $1 AND substr(datname, length($1) + 1) ~ '^[0-9a-f]{12}$'`,
    [prefix],
  );
  for (const { datname } of rows) await dropDatabase(admin, datname);
}
