import type pg from 'pg';
import { closeDatabaseSql } from '../../postgres/admin/roles.ts';
import { hasCitus, onWorkers } from '../../postgres/citus/cluster.ts';
import { quoteIdentifier, quoteLiteral } from '../../postgres/sql/quote.ts';
import { countUnforbiddenSql, forbidFunctionsSql } from '../revoke-functions.ts';

/**
 * Forbids tenants on the workers of a Citus cluster what they may not do on its coordinator: a part of their SQL runs there, and their
 * roles may log in there.
 * @param client the owner's connection to the shared database
 * @param readers the group role that may connect to it
 * @throws {CitusWorkersError}
 */
export async function closeWorkers(client: pg.Client, database: string, readers: string): Promise<void> {
  await onWorkers(client, closeWorkerSql(database, readers));
  await onWorkers(client, forbidFunctionsSql);
}

/**
 * One statement, because a command is one. A worker changes privileges only if Citus is not to bring them to the other nodes. It has the
 * group role, unless Citus has not synchronized it yet.
 */
function closeWorkerSql(database: string, readers: string): string {
  return `
    DO $close$ BEGIN
      SET LOCAL citus.enable_ddl_propagation = off;
      REVOKE ALL ON SCHEMA public FROM PUBLIC;
      IF EXISTS (SELECT FROM pg_roles WHERE rolname = ${quoteLiteral(readers)}) THEN
        ${closeDatabaseSql(database, [readers])}
      END IF;
    END $close$`;
}

/** How many workers of a Citus cluster let everybody execute functions that should be revoked; 0 where Citus is not. */
export async function countOpenWorkers(client: pg.Client): Promise<number> {
  if (!(await hasCitus(client))) return 0;
  const answers = await onWorkers(client, countUnforbiddenSql);
  return answers.filter((count) => count !== '0').length;
}

/** SQL that does on the workers of a Citus cluster what {@link forbidFunctionsSql} does here. */
export const forbidOnWorkersSql = `SELECT FROM run_command_on_workers(${quoteLiteral(forbidFunctionsSql)})`;

/**
 * Checks that the coordinator can log in to the workers as a tenant's role, as it does when the tenant's SQL runs there.
 * @param client the owner's connection to the shared database
 * @returns PostgreSQL's error; undefined if it can
 */
export async function loginProblem(client: pg.Client, role: string, table: string): Promise<string | undefined> {
  await client.query('BEGIN');
  try {
    await client.query(`SET LOCAL ROLE ${quoteIdentifier(role)}`);
    await client.query(`SELECT FROM ${table} LIMIT 1`);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await client.query('ROLLBACK');
  }
}
