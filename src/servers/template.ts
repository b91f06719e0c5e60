import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { Logger } from 'pino';
import { migrateDatabase } from '../migrator/apply/apply.ts';
import type { MigrationFile } from '../migrator/files/migration-files.ts';
import { createDatabase, databaseExists, dropDatabase } from '../postgres/admin/databases.ts';
import { closeDatabaseSql } from '../postgres/admin/roles.ts';
import type { PostgresServer } from '../postgres/server.ts';
import { lockKind, withAdvisoryLock } from '../postgres/sql/advisory-lock.ts';
import { sqlState, sqlStateOf } from '../postgres/sql/error-codes.ts';
import { quoteIdentifier } from '../postgres/sql/quote.ts';
import { applyCommon, prepareCommonSql } from './shared/common-line.ts';
import { prepareTenantDatabaseSql } from './tenant-sql.ts';

/** What a template is made from. */
export interface TemplateOptions {
  readonly server: PostgresServer;
  readonly authDatabase: string;
  /** The role that gets the rights on rows, which each clone inherits. */
  readonly grantee: string;
  readonly lockTimeoutMs: number;
  readonly log: Logger;
}

/** How long to wait for another process that builds a template of this installation, in milliseconds. */
const OTHERS_WAIT_MS = 10_000;

/** The migrations that a tenant's own database has. */
export interface TenantFiles {
  readonly tenant: readonly MigrationFile[];
  readonly common: readonly MigrationFile[];
}

/** The databases of one server from which tenants are cloned. */
export class TemplateDatabase {
  readonly #options: TemplateOptions;
  /** The template of the files seen last; the promise keeps two callers from building one twice. */
  #current: { readonly name: string; readonly ready: Promise<string | undefined> } | undefined;

  constructor(options: TemplateOptions) {
    this.#options = options;
  }

  /**
   * The name of a template that has these migrations; it is built if there is none yet. Undefined if another one of this
   * installation is being built, for longer than a tenant should wait for it.
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

  /** Looks again whether the template exists, next time it is asked for; for when it turned out to be gone. */
  forget(): void {
    this.#current = undefined;
  }

  async #build(name: string, files: TenantFiles): Promise<string> {
    const { server, authDatabase, grantee, lockTimeoutMs, log } = this.#options;
    const prefix = templatePrefix(authDatabase);
    await server.admin((admin) =>
      // One template of this installation at a time; the lock is in the maintenance database, which all installations share.
      withAdvisoryLock(
        admin,
        lockKind.template,
        authDatabase,
        async () => {
          // Whoever began these is gone, for the lock is ours.
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
            });
            // Nobody may connect, for that would stop cloning. The final name comes last: a database that has it is complete.
            await admin.query(`ALTER DATABASE ${quoteIdentifier(building)} WITH ALLOW_CONNECTIONS false`);
            await admin.query(`ALTER DATABASE ${quoteIdentifier(building)} RENAME TO ${quoteIdentifier(name)}`);
          } catch (error) {
            await dropDatabase(admin, building).catch(() => undefined);
            throw error;
          }
          log.info(
            { server: server.name, template: name, migrations: files.tenant.length },
            'the template for tenants is built',
          );
          // A server that still runs the older code builds its own again when it needs it.
          await dropTemplates(admin, prefix, '^[0-9a-f]{12}$', name);
        },
        OTHERS_WAIT_MS,
      ),
    );
    return name;
  }
}

/** Drops templates of this installation, except one; `pattern` is what follows the prefix in their names. */
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

/** It changes with all that the template is made of. */
function templateName({ authDatabase, grantee }: TemplateOptions, { tenant, common }: TenantFiles): string {
  const linesOf = (files: readonly MigrationFile[]) => files.map(({ name, hash }) => `${name} ${hash}`);
  const commonLines = common.length > 0 ? [prepareCommonSql(grantee), ...linesOf(common)] : [];
  const text = [prepareTenantDatabaseSql(grantee), ...linesOf(tenant), ...commonLines].join('\n');
  return `${templatePrefix(authDatabase)}${createHash('sha256').update(text).digest('hex').slice(0, 12)}`;
}
