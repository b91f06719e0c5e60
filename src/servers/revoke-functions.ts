import type pg from 'pg';

/**
 * Functions with which a tenant could disturb or observe others. Advisory locks can fill the lock table of the whole server.
 * Large objects and logical messages are shared by all tenants of a database. The functions behind pg_stat_… and pg_locks,
 * and those for sizes, reveal what others do.
 */
const forbidden =
  '^(pg_(try_)?advisory_(xact_)?lock|lo_|loread$|lowrite$|pg_logical_emit_message$|pg_stat_(get|reset)|pg_lock_status$|pg_(total_relation|relation|table|indexes|database|tablespace)_size$)';

/**
 * Functions of Citus with which a tenant could run its SQL on other nodes, outside its transaction, or observe others. Citus executes
 * the others itself as the tenant's role, such as those for intermediate results.
 */
const forbiddenOfCitus =
  '^(run_command_on_|master_run_on_worker$|citus_(run_local_command|check_|locks$|shard_sizes$|stat_|dist_stat_|query_stats$|local_disk_space|create_restore_point|cleanup_orphaned|job_|rebalance_|(total_)?relation_size$|table_size$)|get_(all|global)_active_transactions$|dump_(local|global)_wait_edges$|worker_partitioned_(relation|table)_)';

/** The functions above that PUBLIC may still execute. */
const forbiddenSql = `
  SELECT p.oid FROM pg_proc p
  WHERE pronamespace = 'pg_catalog'::regnamespace AND (proname ~ '${forbidden}' OR proname ~ '${forbiddenOfCitus}')
    AND EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0)`;

/**
 * SQL that revokes from PUBLIC, in this database, the functions with which a tenant could disturb others. It does nothing
 * unless it is run by a superuser.
 * @see https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADVISORY-LOCKS
 */
export const forbidFunctionsSql = `
  DO $forbid$ DECLARE f regprocedure; BEGIN
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
      FOR f IN ${forbiddenSql} LOOP
        EXECUTE format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', f);
      END LOOP;
    END IF;
  END $forbid$;`;

/** SQL that counts the functions that everybody may execute in this database and that should be revoked. */
export const countUnforbiddenSql = `SELECT count(*)::int AS count FROM (${forbiddenSql}) f`;

/** Whether everybody may execute, in this database, functions that should be revoked. */
export async function hasUnforbiddenFunctions(client: pg.Client): Promise<boolean> {
  const { rowCount } = await client.query(`${forbiddenSql} LIMIT 1`);
  return rowCount === 1;
}

/** Whether the current role may revoke the functions, see {@link forbidFunctionsSql}. */
export async function mayForbidFunctions(client: pg.Client): Promise<boolean> {
  const { rowCount } = await client.query('SELECT FROM pg_roles WHERE rolname = current_user AND rolsuper');
  return rowCount === 1;
}
