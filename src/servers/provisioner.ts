import type pg from 'pg';
import type { Logger } from 'pino';
import type { AppliedMigration } from '../catalog/entities/migration-state.entity.ts';
import type { Isolation } from '../catalog/entities/tenant.entity.ts';
import type { ObservedState } from '../catalog/migration-states.ts';
import { migrateDatabase } from '../migrator/apply/apply.ts';
import { MigrationFailedError } from '../migrator/apply/batch.ts';
import { kindOf } from '../migrator/files/history.ts';
import type { MigrationFile } from '../migrator/files/migration-files.ts';
import type { MigrationFolders } from '../migrator/files/migration-folders.ts';
import { cloneDatabase, createDatabase, dropDatabase, isInUse } from '../postgres/admin/databases.ts';
import {
  closeDatabaseSql,
  createLoginRoleSql,
  dropOwnedSql,
  type PasswordOf,
  resetRoleSql,
} from '../postgres/admin/roles.ts';
import type { Pool } from '../postgres/pool/pool.ts';
import type { PostgresServer } from '../postgres/server.ts';
import { lockKind, transactionLockSql } from '../postgres/sql/advisory-lock.ts';
import { sqlState, sqlStateOf } from '../postgres/sql/error-codes.ts';
import { quoteIdentifier } from '../postgres/sql/quote.ts';
import { type InstallationRoles, type Placement, tenantRole } from '../routing/placement.ts';
import { OTHERS_WAIT_MS, withPlacementLock } from '../routing/placement-lock.ts';
import { boundAllRolesSql, boundRoleSql, type TenantBounds } from './role-limits.ts';
import { setUpServer } from './set-up.ts';
import { applyCommon, readersOfCommon } from './shared/common-line.ts';
import { dropSchema, releaseSchema } from './shared/drop-schema.ts';
import type { TemplateDatabase, TenantFiles } from './template.ts';
import { endSessionsOf } from './tenant-sessions.ts';
import { prepareTenantDatabaseSql, prepareTenantSchemaSql } from './tenant-sql.ts';

/** What is needed to make tenants' databases and schemas on one server. */
export interface ProvisionerOptions {
  readonly server: PostgresServer;
  readonly sharedDatabase: string;
  readonly roles: InstallationRoles;
  readonly passwordOf: PasswordOf;
  readonly template: TemplateDatabase;
  readonly migrations: Pick<MigrationFolders, 'tenant' | 'common'>;
  /** What tenants' roles are granted. */
  readonly bounds: TenantBounds;
  readonly systemPoolSize: number;
  readonly lockTimeoutMs: number;
  readonly log: Logger;
}

/** A tenant's place that is to be made or removed. */
export interface TenantPlacement extends Placement {
  readonly key: string;
  readonly isolation: Isolation;
}

/** The migrations of a place that was made. */
export interface MadePlace {
  readonly applied: readonly AppliedMigration[];
  /** Those of its database's schema `common`; undefined if there are none. */
  readonly common: ObservedState | undefined;
}

/** Makes and removes tenants' databases, schemas and roles on one server. Every step may be repeated. */
export class Provisioner {
  readonly #options: ProvisionerOptions;
  readonly #shared: Pool;
  #setUp: Promise<void> | undefined;

  constructor(options: ProvisionerOptions) {
    this.#options = options;
    this.#shared = options.server.pool({
      database: options.sharedDatabase,
      max: options.systemPoolSize,
      priority: 'system',
    });
  }

  /**
   * Makes what the server needs before it can hold tenants, once; where that fails, the next call tries it again.
   * @throws {ForeignDatabaseError} as {@link setUpServer}
   */
  setUp(): Promise<void> {
    const { server, sharedDatabase, roles, log } = this.#options;
    this.#setUp ??= setUpServer(server, sharedDatabase, roles, log).catch((error: unknown) => {
      this.#setUp = undefined;
      throw error;
    });
    return this.#setUp;
  }

  /** Builds what can be built before the first tenant is created; where that fails, creating a tenant tries it again. */
  async prepare(): Promise<void> {
    await this.setUp();
    await this.#boundRoles();
    await this.#options.template.ensure(await this.#read());
  }

  /** Makes the place and brings its tables forward; gives the migrations that it has. */
  async make(placement: TenantPlacement): Promise<MadePlace> {
    await this.setUp();
    return placement.isolation === 'DATABASE' ? this.#makeDatabase(placement) : this.#makeSchema(placement);
  }

  /**
   * Makes the role of a tenant anew, with the password that is derived for it now.
   * @param check throws if that is not to be, and is asked when nobody else can make or remove the role
   */
  async renewRole(placement: TenantPlacement, check?: () => Promise<void>): Promise<void> {
    await this.#alone(placement, async (admin) => {
      await check?.();
      await admin.query(this.#roleSql(placement));
    });
  }

  /**
   * Ends all sessions of a tenant's role, and gives it its derived password again: its SQL may have set another one, with which
   * somebody connects past this server.
   */
  async endSessions(placement: TenantPlacement): Promise<void> {
    await this.#alone(placement, async (admin) => {
      await admin.query(this.#roleSql(placement));
      await endSessionsOf(admin, tenantRole(placement.key));
    });
  }

  /**
   * Makes sure that removing the place harms nobody else, and moves extensions that others may use out of it.
   * @throws {AppError} CONFLICT, naming what depends on it
   */
  async checkRemoval({ isolation, schema }: TenantPlacement): Promise<void> {
    if (isolation === 'DATABASE') return;
    const readers = readersOfCommon(this.#options.roles, isolation);
    await this.#shared.use((client) => releaseSchema(client, schema, readers));
  }

  /**
   * Removes the place and its role; nothing happens if they are not there.
   * @throws {AppError} CONFLICT if others depend on the place
   */
  async remove(placement: TenantPlacement): Promise<void> {
    const role = tenantRole(placement.key);
    // Their locks would keep the schema from being dropped.
    await this.#alone(placement, (admin) => endSessionsOf(admin, role));
    if (placement.isolation === 'SCHEMA') {
      await this.checkRemoval(placement);
      await dropSchema(this.#shared, placement.schema, dropOwnedSql(role));
    }
    await this.#alone(placement, async (admin) => {
      if (placement.isolation === 'DATABASE') await dropDatabase(admin, placement.database);
      // Everyone may connect to the maintenance database, and leave something there.
      await admin.query(dropOwnedSql(role));
      await admin.query(`DROP ROLE IF EXISTS ${quoteIdentifier(role)}`);
    });
  }

  /** Roles that an older version has made, or one with other settings. It never rejects: doctor tells of those that are left. */
  async #boundRoles(): Promise<void> {
    const { server, roles, bounds, log } = this.#options;
    await server
      .admin((admin) => admin.query(boundAllRolesSql(roles, bounds)))
      .catch((err: unknown) =>
        log.warn(
          { err, server: server.name },
          "tenants' roles could not be given their limits; tenantry doctor names them",
        ),
      );
  }

  #alone<T>({ key }: TenantPlacement, work: (admin: pg.Client) => Promise<T>): Promise<T> {
    return withPlacementLock(this.#options.server, key, work);
  }

  async #read(): Promise<TenantFiles> {
    const { tenant, common } = this.#options.migrations;
    const [tenantFiles, commonFiles] = await Promise.all([tenant.read(), common.read()]);
    return { tenant: tenantFiles, common: commonFiles };
  }

  async #makeDatabase(placement: TenantPlacement): Promise<MadePlace> {
    const files = await this.#read();
    const template = await this.#options.template.ensure(files);
    const cloned = await this.#alone(placement, async (admin) => {
      await admin.query(this.#roleSql(placement));
      const done = template !== undefined && (await this.#clone(admin, placement.database, template));
      if (!done) await createDatabase(admin, placement.database);
      await admin.query(closeDatabaseSql(placement.database, [tenantRole(placement.key)]));
      return done;
    });
    const applied = files.tenant.map(nameAndHash);
    if (!cloned) return { applied, common: await this.#migrateEmptyDatabase(placement, files) };
    // Whatever is observed from now on is newer.
    const common = { applied: files.common.map(nameAndHash), observedAt: '-infinity' };
    return { applied, common: files.common.length > 0 ? common : undefined };
  }

  /**
   * False if the database is still to be migrated: the template cannot be copied at present, since somebody is connected to
   * it or has dropped it, or the database was there, made by an attempt that was cut short, from a template or else empty.
   */
  async #clone(admin: pg.Client, database: string, template: string): Promise<boolean> {
    // PostgreSQL would wait five seconds for whoever is connected; migrating an empty database takes far less.
    if (await isInUse(admin, template)) return false;
    try {
      return await cloneDatabase(admin, database, template);
    } catch (error) {
      const state = sqlStateOf(error);
      if (state === sqlState.invalidCatalogName) this.#options.template.forget();
      else if (state !== sqlState.objectInUse) throw error;
      return false;
    }
  }

  async #migrateEmptyDatabase(placement: TenantPlacement, files: TenantFiles): Promise<ObservedState | undefined> {
    const { server, roles } = this.#options;
    return server.owner(placement.database, (client) =>
      this.#migrate(client, placement, files, prepareTenantDatabaseSql(roles.databaseTenants)),
    );
  }

  async #makeSchema(placement: TenantPlacement): Promise<MadePlace> {
    const [files] = await Promise.all([this.#read(), this.#makeRole(placement)]);
    const { schema, key } = placement;
    const setupSql = `CREATE SCHEMA ${quoteIdentifier(schema)}; ${prepareTenantSchemaSql(schema, tenantRole(key))}`;
    const common = await this.#shared.use((client) => this.#migrate(client, placement, files, setupSql));
    return { applied: files.tenant.map(nameAndHash), common };
  }

  /** Not in the schema's transaction: a role's new membership keeps others from joining the group until the transaction ends. */
  async #makeRole(placement: TenantPlacement): Promise<void> {
    await this.#options.server.admin((admin) =>
      // The schema's transaction, which comes after it, has it written to disk too.
      admin.query(`
        SET LOCAL lock_timeout = ${OTHERS_WAIT_MS};
        SET LOCAL synchronous_commit = off;
        ${transactionLockSql(lockKind.placement, placement.key)}
        ${this.#roleSql(placement)}`),
    );
  }

  async #migrate(
    client: pg.Client,
    placement: TenantPlacement,
    files: TenantFiles,
    setupSql: string,
  ): Promise<ObservedState | undefined> {
    const { lockTimeoutMs, roles } = this.#options;
    const grantee = readersOfCommon(roles, placement.isolation);
    const common = await applyCommon(client, placement.database, { files: files.common, grantee, lockTimeoutMs });
    const isThere = placement.isolation === 'DATABASE' && (await kindOf(client, placement.schema)) === 'TENANT';
    const options = { scope: 'TENANT', schema: placement.schema, files: files.tenant, lockTimeoutMs } as const;
    try {
      await migrateDatabase(client, isThere ? options : { ...options, setupSql });
    } catch (error) {
      // A migration may make a schema too, and fail since that one is there.
      if (error instanceof MigrationFailedError || sqlStateOf(error) !== sqlState.duplicateSchema) throw error;
      await migrateDatabase(client, options);
    }
    return common;
  }

  #roleSql({ key, isolation }: TenantPlacement): string {
    const { roles, passwordOf, bounds } = this.#options;
    const role = tenantRole(key);
    const group = isolation === 'DATABASE' ? roles.databaseTenants : roles.schemaTenants;
    return `${createLoginRoleSql(role, passwordOf(role), group)} ${resetRoleSql(role)} ${boundRoleSql(role, bounds)}`;
  }
}

function nameAndHash({ name, hash }: MigrationFile): AppliedMigration {
  return { name, hash };
}
