import type { Logger } from 'pino';
import { migrateDatabase } from '../migrator/apply/apply.ts';
import type { MigrateOutcome } from '../migrator/apply/batch.ts';
import { createHistorySql, kindOf } from '../migrator/files/history.ts';
import type { MigrationFolder } from '../migrator/files/migration-folder.ts';
import { createLoginRoleSql, grantRowsSql, type PasswordOf } from '../postgres/admin/roles.ts';
import type { PostgresServer } from '../postgres/server.ts';
import { lockKind, withAdvisoryLock } from '../postgres/sql/advisory-lock.ts';
import { quoteIdentifier } from '../postgres/sql/quote.ts';
import type { InstallationRoles } from '../routing/placement.ts';
import { assertOurs } from './ownership.ts';
import { createClosedDatabase } from './set-up.ts';

/** What setting up the system databases needs. */
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

/**
 * Creates `auth`, `constants` and their role on the first server if they are missing, and migrates both databases. A lock lets
 * any number of servers do this at once.
 * @throws {ForeignDatabaseError} if a database of that name has tables but is not ours; it is not changed then
 */
export async function setUpSystemDatabases(options: SystemDatabasesOptions): Promise<void> {
  const { server, databases, roles, passwordOf } = options;
  await server.admin((admin) =>
    withAdvisoryLock(admin, lockKind.setup, roles.app, async () => {
      await admin.query(createLoginRoleSql(roles.app, passwordOf(roles.app)));
      // Check all three before creating anything. setUpServer creates the shared database later.
      await assertOurs(server, admin, 'AUTH_DATABASE', databases.auth, roles.app);
      await assertOurs(server, admin, 'CONSTANTS_DATABASE', databases.constants, roles.app);
      await assertOurs(server, admin, 'SHARED_DATABASE', databases.shared, roles.schemaTenants);
      await createClosedDatabase(admin, databases.auth, roles.app);
      await createClosedDatabase(admin, databases.constants, roles.app);
      await migrateSystemDatabase(options, options.authMigrations, databases.auth, 'SELECT, INSERT, UPDATE, DELETE');
      await migrateSystemDatabase(options, options.constantsMigrations, databases.constants, 'SELECT');
    }),
  );
}

/**
 * Migrates one system database.
 * @param rights the privileges of the app's role on its rows
 */
async function migrateSystemDatabase(
  { server, roles, lockTimeoutMs, log }: SystemDatabasesOptions,
  folder: MigrationFolder,
  database: string,
  rights: string,
): Promise<void> {
  const files = await folder.read();
  const outcome = await server.owner(database, async (client): Promise<MigrateOutcome> => {
    const isNew = (await kindOf(client, 'public')) === undefined;
    const setupSql = `${grantRowsSql('public', roles.app, rights)} ${createHistorySql('public', folder.scope)}
      REVOKE INSERT, UPDATE, DELETE ON public.migration_history FROM ${quoteIdentifier(roles.app)};`;
    return migrateDatabase(client, {
      scope: folder.scope,
      schema: 'public',
      files,
      lockTimeoutMs,
      ...(isNew && { setupSql }),
    });
  });
  const { records } = outcome;
  const durationMs = Math.round(records.reduce((sum, record) => sum + record.durationMs, 0));
  const version = records.at(-1)?.name;
  if (version) log.info({ database, migrations: records.length, version, durationMs }, 'migrated a system database');
}
