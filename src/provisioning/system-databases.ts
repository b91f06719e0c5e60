import type pg from 'pg';
import type { Logger } from 'pino';
import { createHistorySql, kindOf } from '../migrator/history.ts';
import { type MigrateOutcome, migrateDatabase } from '../migrator/migrate-database.ts';
import type { MigrationFolder } from '../migrator/migration-files.ts';
import { migrateQueue } from '../migrator/run-queue.ts';
import { lockKind, withAdvisoryLock } from '../postgres/advisory-lock.ts';
import { createDatabase } from '../postgres/databases.ts';
import { quoteIdentifier } from '../postgres/identifiers.ts';
import { installJobQueue, jobsSchema } from '../postgres/job-queue.ts';
import {
  closeDatabaseSql,
  createGroupRoleSql,
  createLoginRoleSql,
  grantRowsSql,
  type PasswordOf,
} from '../postgres/roles.ts';
import type { PostgresServer } from '../postgres/server.ts';
import type { InstallationRoles } from '../tenancy/placement.ts';

/** What the system databases are made of. */
export interface SystemDatabasesOptions {
  readonly server: PostgresServer;
  readonly databases: { readonly auth: string; readonly constants: string; readonly shared: string };
  readonly roles: InstallationRoles;
  readonly passwordOf: PasswordOf;
  readonly authMigrations: MigrationFolder;
  readonly constantsMigrations: MigrationFolder;
  readonly lockTimeoutMs: number;
  readonly log: Logger;
}

/** A database that has the name of one of ours but is somebody else's. */
export class ForeignDatabaseError extends Error {
  override readonly name = 'ForeignDatabaseError';
}

/**
 * Creates `auth`, `constants` and the shared database with their roles, unless they are there, and brings their tables
 * forward. A lock lets any number of servers do this at once.
 * @throws {ForeignDatabaseError} if a database of that name has tables but is not ours
 */
export async function setUpSystemDatabases(options: SystemDatabasesOptions): Promise<void> {
  const { server, databases, roles, passwordOf } = options;
  await server.admin((admin) =>
    withAdvisoryLock(admin, lockKind.setup, 0, async () => {
      await admin.query(createLoginRoleSql(roles.app, passwordOf(roles.app)));
      await admin.query(createGroupRoleSql(roles.databaseTenants));
      await admin.query(createGroupRoleSql(roles.schemaTenants));
      await createClosed(admin, databases.auth, roles.app);
      await createClosed(admin, databases.constants, roles.app);
      await createClosed(admin, databases.shared, roles.schemaTenants);
      // Before PostgreSQL 15 everyone may make tables there.
      await server.owner(databases.shared, (client) => client.query('REVOKE ALL ON SCHEMA public FROM PUBLIC'));
      await bringForward(options, options.authMigrations, databases.auth, 'SELECT, INSERT, UPDATE, DELETE');
      await server.owner(databases.auth, async (client) => {
        await installJobQueue(client, migrateQueue);
        await client.query(grantRowsSql(jobsSchema, roles.app));
      });
      await bringForward(options, options.constantsMigrations, databases.constants, 'SELECT');
    }),
  );
}

/**
 * Brings one system database forward.
 * @param rights what the app's role may do with its rows
 */
async function bringForward(
  { server, roles, lockTimeoutMs, log }: SystemDatabasesOptions,
  folder: MigrationFolder,
  database: string,
  rights: string,
): Promise<void> {
  const files = await folder.read();
  const outcome = await server.owner(database, async (client): Promise<MigrateOutcome> => {
    const isNew = await isEmptyOrOurs(client, database, folder);
    const prelude = `${grantRowsSql('public', roles.app, rights)} ${createHistorySql('public', folder.scope)}
      REVOKE INSERT, UPDATE, DELETE ON public.migration_history FROM ${quoteIdentifier(roles.app)};`;
    return migrateDatabase(client, {
      scope: folder.scope,
      schema: 'public',
      files,
      lockTimeoutMs,
      ...(isNew && { prelude }),
    });
  });
  for (const { name, durationMs } of outcome.records) {
    log.info({ database, migration: name, durationMs }, 'a system database is migrated');
  }
}

/** True if the database is empty, and false if it is ours. */
async function isEmptyOrOurs(client: pg.Client, database: string, { scope }: MigrationFolder): Promise<boolean> {
  const kind = await kindOf(client, 'public');
  if (kind === scope) return false;
  const { rows } = await client.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')`,
  );
  if (kind === undefined && rows[0]?.count === 0) return true;
  const what = kind ? `is the ${kind} database of another installation` : 'has tables that are not Tenantry’s';
  throw new ForeignDatabaseError(
    `The database ${database} ${what}, so it is left alone. Choose another name with ${scope}_DATABASE.`,
  );
}

async function createClosed(admin: pg.Client, database: string, allowed: string): Promise<void> {
  await createDatabase(admin, database);
  await admin.query(closeDatabaseSql(database, [allowed]));
}
