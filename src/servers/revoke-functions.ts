import type pg from 'pg';

/**
 * Functions that let one tenant disturb, or reach, others: advisory locks fill the lock table of the whole server; large
 * objects and messages in the log are the same for all tenants of a database. And functions that tell what others do: those of
 * the views pg_stat_… and pg_locks, and sizes.
 */
const forbidden =
  '^(pg_(try_)?advisory_(xact_)?lock|lo_|loread$|lowrite$|pg_logical_emit_message$|pg_stat_(get|reset)|pg_lock_status$|pg_(total_relation|relation|table|indexes|database|tablespace)_size$)';

/** Functions that anybody may call and that are forbidden. */
const forbiddenSql = `
  SELECT p.oid FROM pg_proc p
  WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ '${forbidden}'
    AND EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0)`;

/**
 * SQL that keeps all but the owner of the server from calling, in this database, functions with which one tenant could disturb
 * others. Only a superuser may say so; for other roles it does nothing.
 * @see https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADVISORY-LOCKS
 */
export const forbidFunctionsSql = `
  DO $forbid$ DECLARE f regprocedure; BEGIN
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
      FOR f IN ${forbiddenSql} LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', f);
      END LOOP;
    END IF;
  END $forbid$;`;

/** Whether everybody may call, in this database, functions that are to be forbidden. */
export async function hasUnforbiddenFunctions(client: pg.Client): Promise<boolean> {
  const { rowCount } = await client.query(`${forbiddenSql} LIMIT 1`);
  return rowCount === 1;
}

/** Whether the current role may keep others from calling functions, see {@link forbidFunctionsSql}. */
export async function mayForbidFunctions(client: pg.Client): Promise<boolean> {
  const { rowCount } = await client.query('SELECT FROM pg_roles WHERE rolname = current_user AND rolsuper');
  return rowCount === 1;
}
