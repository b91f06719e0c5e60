import type pg from 'pg';
import type { Logger } from 'pino';
import type { AppliedMigration } from '../catalog/entities/migration-state.entity.ts';
import type { Isolation } from '../catalog/entities/tenant.entity.ts';
import type { ObservedState } from '../catalog/migration-states.ts';
import type { MigrationFile } from '../migrator/files/migration-file.ts';
import { type MigrationFolders, readTenantFiles, type TenantFiles } from '../migrator/files/migration-folders.ts';
import { createDatabase, dropDatabase, sessionInSql } from '../postgres/admin/databases.ts';
import { FINISH_MS } from '../postgres/admin/end-sessions.ts';
import {
  closeDatabaseSql,
  createLoginRoleSql,
  dropOwnedSql,
  noLoginSql,
  type PasswordOf,
  resetRoleSql,
} from '../postgres/admin/roles.ts';
import type { Pool } from '../postgres/pool/pool.ts';
import type { PostgresServer } from '../postgres/server.ts';
import { lockKind, transactionLockSql } from '../postgres/sql/advisory-lock.ts';
import { quoteIdentifier } from '../postgres/sql/quote.ts';
import { type InstallationRoles, type Placement, tenantRole } from '../routing/placement.ts';
import { OTHERS_WAIT_MS, underPlacementLock, withPlacementLock } from '../routing/placement-lock.ts';
import { filesLike } from './places/files-like.ts';
import { migratePlace } from './places/migrate-place.ts';
import { boundAllRolesSql, boundRoleSql, type TenantBounds } from './role-limits.ts';
import { setUpServer } from './set-up.ts';
import { readersOfCommon } from './shared/common-line.ts';
import { dropSchema, releaseSchema } from './shared/drop-schema.ts';
import { TemplateDatabase } from './template.ts';
import { drainSessions, endSessionsOf, PATIENT_FINISH_MS } from './tenant-sessions.ts';
import { prepareTenantDatabaseSql, prepareTenantSchemaSql } from './tenant-sql.ts';

/** What creating tenants' databases and schemas needs, the same on all servers. */
export interface ProvisionerOptions {
  readonly authDatabase: string;
  readonly sharedDatabase: string;
  readonly roles: InstallationRoles;
  readonly passwordOf: PasswordOf;
  readonly migrations: Pick<MigrationFolders, 'tenant' | 'common'>;
  /** The limits of tenants' roles. */
  readonly bounds: TenantBounds;
  readonly systemPoolSize: number;
  readonly lockTimeoutMs: number;
  readonly log: Logger;
}

/** The placement of a tenant whose database or schema is created or removed. */
export interface TenantPlacement extends Placement {
  readonly key: string;
  readonly isolation: Isolation;
}

/** The migrations of a tenant's database or schema that was created. */
export interface MadePlace {
  readonly applied: readonly AppliedMigration[];
  /** Those of its database's schema `common`; undefined if there are none. */
  readonly common: ObservedState | undefined;
}

/** Creates and removes tenants' databases, schemas and roles on one server. Every step is idempotent. */
export class Provisioner {
  readonly #server: PostgresServer;
  readonly #options: ProvisionerOptions;
  readonly #template: TemplateDatabase;
  readonly #shared: Pool;
  #setUp: Promise<void> | undefined;

  constructor(server: PostgresServer, options: ProvisionerOptions) {
    this.#server = server;
    this.#options = options;
    this.#template = new TemplateDatabase(server, { ...options, grantee: options.roles.databaseTenants });
    this.#shared = server.pool({ database: options.sharedDatabase, max: options.systemPoolSize, priority: 'admin' });
  }

  /**
   * Sets up the server for tenants, once. After a failure the next call tries again.
   * @throws {ForeignDatabaseError} as {@link setUpServer}
   */
  setUp(): Promise<void> {
    const { sharedDatabase, roles, log } = this.#options;
    this.#setUp ??= setUpServer(this.#server, sharedDatabase, roles, log).catch((error: unknown) => {
      this.#setUp = undefined;
      throw error;
    });
    return this.#setUp;
  }

  /** Sets up the server and builds the template. After a failure, creating a tenant tries again. */
  async prepare(): Promise<void> {
    await this.setUp();
    await this.#boundRoles();
    await this.#template.ensure(await readTenantFiles(this.#options.migrations));
  }

  /** Creates and migrates the tenant's database or schema. Returns its migrations. */
  async make(placement: TenantPlacement): Promise<MadePlace> {
    await this.setUp();
    return this.#make(placement, readTenantFiles(this.#options.migrations), { isCurrent: true, withRole: true });
  }

  /**
   * Like {@link make}, with exactly these migrations, for a copy of a tenant that has them. If they are the current files, it
   * costs the same.
   * @param applied in the order of application
   * @param withRole false for a database that no tenant connects to
   * @throws {AppError} MIGRATION_UNKNOWN or MIGRATION_CHANGED if this process has other files
   */
  async makeLike(
    placement: TenantPlacement,
    applied: readonly AppliedMigration[],
    { withRole = true } = {},
  ): Promise<MadePlace> {
    const files = await readTenantFiles(this.#options.migrations);
    const { tenant, isCurrent } = filesLike(files.tenant, applied);
    await this.setUp();
    return this.#make(placement, { ...files, tenant }, { isCurrent, withRole });
  }

  /**
   * Creates a tenant's role if it is missing, and sets its derived password, its limits and its settings.
   * @param check throws to prevent that; runs under the placement lock
   * @param endSessions ends sessions of the role afterwards, under the same lock
   */
  async renewRole(
    placement: TenantPlacement,
    check?: () => Promise<void>,
    endSessions?: (admin: pg.Client, role: string) => Promise<void>,
  ): Promise<void> {
    await this.#withLock(placement, async (admin) => {
      await check?.();
      await admin.query(this.#roleSql(placement));
      await endSessions?.(admin, tenantRole(placement.key));
    });
  }

  /**
   * Ends all sessions of a tenant's role and resets its password to the derived one. Running statements get a moment to end
   * first. The tenant's SQL may have set another password, with which somebody could bypass this server.
   * @param check as for {@link renewRole}
   */
  endSessions(placement: TenantPlacement, check: () => Promise<void>): Promise<void> {
    return this.renewRole(placement, check, (admin, role) => endSessionsOf(admin, role, PATIENT_FINISH_MS));
  }

  /**
   * Keeps a tenant's role from logging in, and ends its sessions, with less time for running statements than {@link endSessions}
   * gives, because a move may pause requests with it. {@link renewRole} lets it log in again.
   * @param check throws to prevent that; runs under the placement lock
   */
  async lockOut(placement: TenantPlacement, check: () => Promise<void>): Promise<void> {
    const role = tenantRole(placement.key);
    await this.#withLock(placement, async (admin) => {
      await check();
      const isDrained = await drainSessions(admin, role, FINISH_MS);
      await admin.query(noLoginSql(role));
      // Statements that still run have had their time.
      await endSessionsOf(admin, role, isDrained ? FINISH_MS : 0);
    });
  }

  /** The role that has the privileges on the tables of a place: the tenant's, or the group of those with databases. */
  granteeOf({ key, isolation }: TenantPlacement): string {
    return isolation === 'DATABASE' ? this.#options.roles.databaseTenants : tenantRole(key);
  }

  /**
   * Makes sure that dropping the tenant's schema harms no other tenant, and moves extensions out of it.
   * @throws {AppError} CONFLICT, naming what depends on it
   */
  async checkRemoval({ isolation, schema }: TenantPlacement): Promise<void> {
    if (isolation === 'DATABASE') return;
    const readers = readersOfCommon(this.#options.roles, isolation);
    await this.#shared.use((client) => releaseSchema(client, schema, readers));
  }

  /**
   * Drops the tenant's database or schema, and its role, if they exist.
   * @throws {AppError} CONFLICT if other tenants depend on the schema
   */
  async remove(placement: TenantPlacement): Promise<void> {
    const role = tenantRole(placement.key);
    // The locks of open sessions would block dropping the schema.
    await this.#withLock(placement, (admin) => endSessionsOf(admin, role, PATIENT_FINISH_MS));
    if (placement.isolation === 'SCHEMA') {
      await this.checkRemoval(placement);
      await dropSchema(this.#shared, placement.schema, dropOwnedSql(role));
    }
    // The role may own something in the maintenance database, because everyone may connect to it.
    const disown = (admin: pg.Client) => admin.query(dropOwnedSql(role));
    if (placement.isolation === 'SCHEMA') await this.#server.admin(disown);
    await this.#withLock(placement, async (client) => {
      if (placement.isolation === 'DATABASE') {
        await dropDatabase(client, placement.database);
        await disown(client);
      }
      await client.query(`DROP ROLE IF EXISTS ${quoteIdentifier(role)}`);
    });
  }

  /** Sets the limits of roles that an older version or other settings have created. Never rejects; doctor reports the rest. */
  async #boundRoles(): Promise<void> {
    const { roles, bounds, sharedDatabase, log } = this.#options;
    const sql = boundAllRolesSql(roles, bounds, sharedDatabase);
    const { name: server } = this.#server;
    try {
      await this.#server.admin((admin) => admin.query(sql));
      await this.#shared.use((client) => client.query(sql));
    } catch (err) {
      log.warn({ err, server }, "could not set the limits of tenants' roles; tenantry doctor lists these roles");
    }
  }

  /**
   * Runs work with an owner's connection that may change the tenant's role, under the placement lock. The roles of tenants with a
   * schema are made in the shared database, because Citus, where it is, brings only those to the other nodes that it sees there.
   */
  #withLock<T>({ key, isolation }: TenantPlacement, work: (client: pg.Client) => Promise<T>): Promise<T> {
    if (isolation === 'DATABASE') return withPlacementLock(this.#server, key, work);
    return this.#shared.use((client) => underPlacementLock(client, key, work));
  }

  async #make(
    placement: TenantPlacement,
    files: TenantFiles | Promise<TenantFiles>,
    how: { readonly isCurrent: boolean; readonly withRole: boolean },
  ): Promise<MadePlace> {
    if (placement.isolation === 'DATABASE') return this.#makeDatabase(placement, await files, how);
    const [known] = await Promise.all([files, this.#makeRole(placement)]);
    return this.#makeSchema(placement, known);
  }

  async #makeDatabase(
    placement: TenantPlacement,
    files: TenantFiles,
    { isCurrent, withRole }: { readonly isCurrent: boolean; readonly withRole: boolean },
  ): Promise<MadePlace> {
    const template = isCurrent ? await this.#template.ensure(files) : undefined;
    const { database, key } = placement;
    const sql = {
      firstSql: `${withRole ? this.#roleSql(placement) : ''} ${template === undefined ? '' : sessionInSql(template)}`,
      lastSql: closeDatabaseSql(database, withRole ? [tenantRole(key)] : []),
    };
    const create = async (admin: pg.Client, sessions: pg.QueryResult | undefined) => {
      // PostgreSQL would wait five seconds for other sessions to end. Migrating an empty database takes far less time.
      const mayClone = template !== undefined && sessions?.rowCount === 0;
      const done = mayClone && (await this.#template.clone(admin, database, template));
      if (!done) await createDatabase(admin, database);
      return done;
    };
    const cloned = await withPlacementLock(this.#server, key, create, sql);
    const applied = files.tenant.map(nameAndHash);
    if (!cloned) return { applied, common: await this.#migrateEmptyDatabase(placement, files) };
    // Whatever is observed from now on is newer.
    const common = { applied: files.common.map(nameAndHash), observedAt: '-infinity' };
    return { applied, common: files.common.length > 0 ? common : undefined };
  }

  async #migrateEmptyDatabase(placement: TenantPlacement, files: TenantFiles): Promise<ObservedState | undefined> {
    const setupSql = prepareTenantDatabaseSql(this.#options.roles.databaseTenants);
    return this.#server.owner(placement.database, (client) =>
      migratePlace(client, placement, files, { ...this.#options, setupSql }),
    );
  }

  async #makeSchema(placement: TenantPlacement, files: TenantFiles): Promise<MadePlace> {
    const { schema, key } = placement;
    const setupSql = `CREATE SCHEMA ${quoteIdentifier(schema)}; ${prepareTenantSchemaSql(schema, tenantRole(key))}`;
    const common = await this.#shared.use((client) =>
      migratePlace(client, placement, files, { ...this.#options, setupSql }),
    );
    return { applied: files.tenant.map(nameAndHash), common };
  }

  /**
   * Creates the role of a tenant with a schema, where {@link #withLock} says. It runs outside the schema's transaction, because adding
   * a member locks the group until the transaction ends.
   */
  async #makeRole(placement: TenantPlacement): Promise<void> {
    await this.#shared.use((client) =>
      // The commit of the schema's transaction, which comes next, flushes this one to disk too.
      client.query(`
        SET LOCAL lock_timeout = ${OTHERS_WAIT_MS};
        SET LOCAL synchronous_commit = off;
        ${transactionLockSql(lockKind.placement, placement.key)}
        ${this.#roleSql(placement)}`),
    );
  }

  #roleSql({ key, isolation, schema }: TenantPlacement): string {
    const { roles, passwordOf, bounds } = this.#options;
    const role = tenantRole(key);
    const group = isolation === 'DATABASE' ? roles.databaseTenants : roles.schemaTenants;
    return `${createLoginRoleSql(role, passwordOf(role), group)} ${resetRoleSql(role)} ${boundRoleSql(role, schema, bounds)}`;
  }
}

function nameAndHash({ name, hash }: MigrationFile): AppliedMigration {
  return { name, hash };
}
