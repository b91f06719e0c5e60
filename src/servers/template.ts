import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { Logger } from 'pino';
import { migrateDatabase } from '../migrator/apply/apply.ts';
import type { MigrationFile } from '../migrator/files/migration-file.ts';
import type { TenantFiles } from '../migrator/files/migration-folders.ts';
import { cloneDatabase, createDatabase, databaseExists, dropDatabase } from '../postgres/admin/databases.ts';
import { logSequences } from '../postgres/admin/log-sequences.ts';
import { closeDatabaseSql } from '../postgres/admin/roles.ts';
import type { PostgresServer } from '../postgres/server.ts';
import { lockKind, withAdvisoryLock } from '../postgres/sql/advisory-lock.ts';
import { sqlState, sqlStateOf } from '../postgres/sql/error-codes.ts';
import { quoteIdentifier } from '../postgres/sql/quote.ts';
import { applyCommon, prepareCommonSql } from './shared/common-line.ts';
import { prepareTenantDatabaseSql } from './tenant-sql.ts';

/** What building a template needs. */
export interface TemplateOptions {
  readonly authDatabase: string;
  /** The role that gets the privileges on rows, which each clone inherits. */
  readonly grantee: string;
  readonly lockTimeoutMs: number;
  readonly log: Logger;
}

/** How long to wait for another process that is building a template of this installation, in milliseconds. */
const BUILD_WAIT_MS = 10_000;

/** The template on one server from which tenants' databases are cloned. */
export class TemplateDatabase {
  readonly #server: PostgresServer;
  readonly #options: TemplateOptions;
  /** The template of the most recent files. Callers share the promise, so that it is built only once. */
  #current: { readonly name: string; readonly ready: Promise<string | undefined> } | undefined;

  constructor(server: PostgresServer, options: TemplateOptions) {
    this.#server = server;
    this.#options = options;
  }

  /**
   * Returns the name of a template with these migrations, and builds it if it does not exist. Returns undefined if another
   * process is building a template of this installation for longer than a tenant should wait.
   */
  ensure(files: TenantFiles): Promise<string | undefined> {
    const name = templateName(this.#options, files);
    if (this.#current?.name !== name) {
      const ready = this.#build(name, files).catch((error: unknown) => {
        this.forget();
        if (sqlStateOf(error) === sqlState.lockNotAvailable) return undefined;
        throw error;
      });
      this.#current = { name, ready };
    }
    return this.#current.ready;
  }

  /** Makes the next call check again whether the template exists. For when it turned out to be missing. */
  forget(): void {
    this.#current = undefined;
  }

  /**
   * Clones a template. Returns false if the database still needs migrations: somebody has connected to the template or
   * dropped it, or an interrupted attempt has already created the database.
   */
  async clone(admin: pg.Client, database: string, template: string): Promise<boolean> {
    try {
      return await cloneDatabase(admin, database, template);
    } catch (error) {
      const state = sqlStateOf(error);
      if (state === sqlState.invalidCatalogName) this.forget();
      else if (state !== sqlState.objectInUse) throw error;
      return false;
    }
  }

  async #build(name: string, files: TenantFiles): Promise<string> {
    const server = this.#server;
    const { authDatabase, grantee, lockTimeoutMs, log } = this.#options;
    const prefix = templatePrefix(authDatabase);
    await server.admin((admin) =>
      // One template of an installation at a time. The lock is in the maintenance database, which all installations share.
      withAdvisoryLock(
        admin,
        lockKind.template,
        authDatabase,
        async () => {
          // We hold the lock, so nobody is building these now.
          await dropTemplates(admin, prefix, '^[0-9a-f]{12}_new$');
          if (await databaseExists(admin, name)) return;
          const building = `${name}_new`;
          await createDatabase(admin, building);
          try {
            await admin.query(closeDatabaseSql(building, []));
            await server.owner(building, async (client) => {
              await applyCommon(client, building, { files: files.common, grantee, lockTimeoutMs });
              await migrateDatabase(client, {
                scope: 'TENANT',
                schema: 'public',
                files: files.tenant,
                lockTimeoutMs,
                setupSql: prepareTenantDatabaseSql(grantee),
              });
              await logSequences(client);
            });
            // Connections would prevent cloning. The rename comes last, so that a database with the final name is complete.
            await admin.query(`ALTER DATABASE ${quoteIdentifier(building)} WITH ALLOW_CONNECTIONS false`);
            await admin.query(`ALTER DATABASE ${quoteIdentifier(building)} RENAME TO ${quoteIdentifier(name)}`);
          } catch (error) {
            await dropDatabase(admin, building).catch(() => undefined);
            throw error;
          }
          log.info(
            { server: server.name, template: name, migrations: files.tenant.length },
            'built the template for tenants',
          );
          // A server that still runs older code rebuilds its own template when it needs it.
          await dropTemplates(admin, prefix, '^[0-9a-f]{12}$', name);
        },
        { waitMs: BUILD_WAIT_MS },
      ),
    );
    return name;
  }
}

/** Drops templates of this installation except one. `pattern` matches the part of the name after the prefix. */
async function dropTemplates(admin: pg.Client, prefix: string, pattern: string, except = ''): Promise<void> {
  const { rows } = await admin.query<{ datname: string }>(
    `SELECT datname FROM pg_database
     WHERE left(datname, length($1)) = $1 AND substr(datname, length($1) + 1) ~ $2 AND datname <> $3`,
    [prefix, pattern, except],
  );
  for (const { datname } of rows) await dropDatabase(admin, datname).catch(() => undefined);
}

function templatePrefix(authDatabase: string): string {
  return `${authDatabase}_template_`;
}

/** The name contains a hash of everything that the template is built from. */
function templateName({ authDatabase, grantee }: TemplateOptions, { tenant, common }: TenantFiles): string {
  const linesOf = (files: readonly MigrationFile[]) => files.map(({ name, hash }) => `${name} ${hash}`);
  const commonLines = common.length > 0 ? [prepareCommonSql(grantee), ...linesOf(common)] : [];
  // Templates of earlier versions, whose sequences are not logged, have other names.
  const text = ['logged sequences', prepareTenantDatabaseSql(grantee), ...linesOf(tenant), ...commonLines].join('\n');
  return `${templatePrefix(authDatabase)}${createHash('sha256').update(text).digest('hex').slice(0, 12)}`;
}
