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

/** A database that has the name of one of ours but is somebody else's, perhaps another installation's. */
export class ForeignDatabaseError extends Error {
  override readonly name = 'ForeignDatabaseError';
}

/**
 * Creates `auth`, `constants` and the shared database with their roles, unless they are there, and brings their tables
 * forward. A lock lets any number of servers do this at once.
 * @throws {ForeignDatabaseError} if a database of that name has tables but is not ours; it is not touched then
 */
export async function setUpSystemDatabases(options: SystemDatabasesOptions): Promise<void> {
  const { server, databases, roles, passwordOf } = options;
  await server.admin((admin) =>
    withAdvisoryLock(admin, lockKind.setup, 0, async () => {
      await admin.query(createLoginRoleSql(roles.app, passwordOf(roles.app)));
      await admin.query(createGroupRoleSql(roles.databaseTenants));
      await admin.query(createGroupRoleSql(roles.schemaTenants));
      await assertOurs(server, admin, 'AUTH_DATABASE', databases.auth, roles.app);
      await assertOurs(server, admin, 'CONSTANTS_DATABASE', databases.constants, roles.app);
      await assertOurs(server, admin, 'SHARED_DATABASE', databases.shared, roles.schemaTenants);
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
    const isNew = (await kindOf(client, 'public')) === undefined;
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

/** A database is ours if our role was once let in, as it is when we make it. One that nobody has put a table in may become ours. */
async function assertOurs(
  server: PostgresServer,
  admin: pg.Client,
  setting: string,
  database: string,
  role: string,
): Promise<void> {
  const { rows } = await admin.query<{ ours: boolean }>(
    `SELECT EXISTS (SELECT FROM aclexplode(datacl) JOIN pg_roles r ON r.oid = grantee WHERE rolname = $2) AS ours
     FROM pg_database WHERE datname = $1`,
    [database, role],
  );
  if (!rows[0] || rows[0].ours || (await server.owner(database, hasNoTables))) return;
  throw new ForeignDatabaseError(
    `The database ${database} has tables and is not this installation's, so it is left alone. Choose another name with ${setting}. If it is a backup of this installation's that was restored, first GRANT CONNECT ON DATABASE ${quoteIdentifier(database)} TO ${quoteIdentifier(role)}.`,
  );
}

/** What extensions have made does not count. */
async function hasNoTables(client: pg.Client): Promise<boolean> {
  const { rowCount } = await client.query(
    `SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
     WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
       AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
     LIMIT 1`,
  );
  return rowCount === 0;
}

async function createClosed(admin: pg.Client, database: string, allowed: string): Promise<void> {
  await createDatabase(admin, database);
  await admin.query(closeDatabaseSql(database, [allowed]));
}
