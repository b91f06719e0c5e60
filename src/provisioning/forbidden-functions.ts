import type pg from 'pg';

/**
 * Functions that let one tenant disturb, or reach, others: advisory locks fill the lock table of the whole server; large
 * objects and messages in the log are the same for all tenants of a database.
 */
const forbidden = '^(pg_(try_)?advisory_(xact_)?lock|lo_|loread$|lowrite$|pg_logical_emit_message$)';

/**
 * SQL that keeps all but the owner of the server from calling, in this database, functions with which one tenant could disturb
 * others. Only a superuser may say so; for other roles it does nothing.
 * @see https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADVISORY-LOCKS
 */
export const forbidFunctionsSql = `
  DO $forbid$ DECLARE f regprocedure; BEGIN
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
      FOR f IN SELECT p.oid FROM pg_proc p
          WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ '${forbidden}'
            AND EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0) LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', f);
      END LOOP;
    END IF;
  END $forbid$;`;

/** Whether the current role may keep others from calling functions, see {@link forbidFunctionsSql}. */
export async function mayForbidFunctions(client: pg.Client): Promise<boolean> {
  const { rowCount } = await client.query('SELECT FROM pg_roles WHERE rolname = current_user AND rolsuper');
  return rowCount === 1;
}
