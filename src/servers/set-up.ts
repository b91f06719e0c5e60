import type pg from 'pg';
import type { Logger } from 'pino';
import { createDatabase, databaseExists } from '../postgres/admin/databases.ts';
import { closeDatabaseSql, createGroupRoleSql } from '../postgres/admin/roles.ts';
import { CitusWorkersError, readCluster } from '../postgres/citus/cluster.ts';
import type { PostgresServer } from '../postgres/server.ts';
import { lockKind, withAdvisoryLock } from '../postgres/sql/advisory-lock.ts';
import { sqlState, sqlStateOf } from '../postgres/sql/error-codes.ts';
import type { InstallationRoles } from '../routing/placement.ts';
import { problemsOf } from './citus/problems.ts';
import { closeWorkers } from './citus/workers.ts';
import { closeCommonDatabaseSql, findOpenDatabases } from './common-databases.ts';
import { findBudgetProblem } from './connection-headroom.ts';
import { assertOurs } from './ownership.ts';
import { forbidFunctionsSql, mayForbidFunctions } from './revoke-functions.ts';

/**
 * Sets up a server for tenants: the group roles of tenants' roles, and the shared database. Idempotent. A lock lets any number of
 * processes do this at once.
 * @throws {ForeignDatabaseError} if the shared database has tables but is not ours; it is not changed then
 */
export async function setUpServer(
  server: PostgresServer,
  sharedDatabase: string,
  roles: InstallationRoles,
  log: Logger,
): Promise<void> {
  await server.admin(async (admin) => {
    const tooMuch = await findBudgetProblem(admin, server.name, server.stats.max);
    if (tooMuch) log.warn(`${tooMuch.message}. ${tooMuch.remedy}.`);
    await withAdvisoryLock(admin, lockKind.setup, roles.app, async () => {
      await admin.query(createGroupRoleSql(roles.databaseTenants));
      await createSchemaGroup(server, admin, sharedDatabase, roles.schemaTenants);
      await assertOurs(server, admin, 'SHARED_DATABASE', sharedDatabase, roles.schemaTenants);
      await createClosedDatabase(admin, sharedDatabase, roles.schemaTenants);
      // Before PostgreSQL 15 everyone may create tables in the schema public.
      await server.owner(sharedDatabase, async (client) => {
        await client.query(`REVOKE ALL ON SCHEMA public FROM PUBLIC; ${forbidFunctionsSql}`);
        await setUpCluster(client, server.name, sharedDatabase, roles.schemaTenants, log);
      });
      await closeCommonDatabases(admin, server.name, log);
      if (!(await mayForbidFunctions(admin))) {
        log.warn(
          { server: server.name },
          "the role of DATABASE_URL is not a superuser, so tenants' roles may call functions such as pg_advisory_lock, with which one tenant could block others, and their temporary files may be unlimited: do not let tenants send SQL of their own; tenantry doctor shows what a superuser can do",
        );
      }
    });
  });
}

/**
 * Creates the group role of tenants with schemas, if it is missing: in the shared database, if that is there, because Citus brings only
 * those roles to the other nodes that it sees there.
 */
async function createSchemaGroup(
  server: PostgresServer,
  admin: pg.Client,
  sharedDatabase: string,
  role: string,
): Promise<void> {
  const { rowCount } = await admin.query('SELECT FROM pg_roles WHERE rolname = $1', [role]);
  if (rowCount !== 0) return;
  const isThere = await databaseExists(admin, sharedDatabase);
  await (isThere
    ? server.owner(sharedDatabase, (client) => client.query(createGroupRoleSql(role)))
    : admin.query(createGroupRoleSql(role)));
}

/** Sets up the workers of a Citus cluster, and warns of what it lacks. A worker that is down does not keep tenants from being served. */
async function setUpCluster(
  client: pg.Client,
  server: string,
  database: string,
  readers: string,
  log: Logger,
): Promise<void> {
  const cluster = await readCluster(client);
  if (!cluster) return;
  for (const { message, remedy } of problemsOf(cluster, server, database))
    log.warn({ server }, `${message}. ${remedy}.`);
  try {
    await closeWorkers(client, database, readers);
  } catch (error) {
    if (!(error instanceof CitusWorkersError)) throw error;
    log.warn(
      { err: error, server },
      'could not set up the workers of Citus for tenants; tenantry doctor lists what is missing',
    );
  }
}

/** Keeps tenants' roles out of PostgreSQL's common databases. Doctor reports those that this role may not change. */
async function closeCommonDatabases(admin: pg.Client, server: string, log: Logger): Promise<void> {
  for (const { name, isOurs } of await findOpenDatabases(admin)) {
    if (!isOurs) continue;
    try {
      await admin.query(closeCommonDatabaseSql(name));
      log.info(
        { server, database: name },
        "every role could connect to this database, including tenants' roles: from now on only existing roles can, and those with a grant",
      );
    } catch (error) {
      // Another installation is doing the same.
      if (sqlStateOf(error) !== sqlState.internalError) throw error;
    }
  }
}

/** Creates a database, if it is missing, to which only one role may connect. */
export async function createClosedDatabase(admin: pg.Client, database: string, allowed: string): Promise<void> {
  await createDatabase(admin, database);
  await admin.query(closeDatabaseSql(database, [allowed]));
}
