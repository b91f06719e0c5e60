import type pg from 'pg';
import { quoteIdentifier, quoteLiteral } from '../../postgres/sql/quote.ts';

/**
 * Makes a session write and read values the same way at the source and at the target. The search path begins with the schema, so
 * that the names of its own types and tables have no schema, and includes the operators of extensions.
 */
export async function sameFormats(client: pg.Client, schema: string): Promise<void> {
  await client.query(`
    SELECT set_config('search_path', concat_ws(', ', ${quoteLiteral(quoteIdentifier(schema))}, (
      SELECT string_agg(DISTINCT quote_ident(nspname), ', ') FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace
      WHERE nspname <> 'pg_catalog')), false);
    SET extra_float_digits = 3; SET bytea_output = hex;
    SET lc_monetary = 'C'; SET xmloption = content; SET array_nulls = on; SET standard_conforming_strings = on;
    SET TimeZone = 'UTC'; SET DateStyle = 'ISO, MDY'; SET IntervalStyle = postgres;
    SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0`);
}

/**
 * Prepares a session of the target that applies changes. Triggers, rules and foreign keys have done their work at the source, whose
 * changes include theirs.
 * @see https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-SESSION-REPLICATION-ROLE
 */
export async function applyAsReplica(client: pg.Client, schema: string): Promise<void> {
  await sameFormats(client, schema);
  await client.query(`SET session_replication_role = replica; SET row_security = off; SET lock_timeout = '10s'`);
}
